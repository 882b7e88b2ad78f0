"""The life of a room in one process, as data: what state it is in, what may happen, what is done.

`TABLE` says for each state which events may happen in it, which state follows, and which actions
the room's handle takes. A pair that is not in the table is a bug of ours and fails an assertion.
`python -m server rooms --states` prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """What a room is in this process."""

    LOADING = "loading"
    RUNNING = "running"
    SLOWED = "slowed"
    WAITING = "waiting"
    RECOVERING = "recovering"
    RETRYING = "retrying"
    STANDING = "standing"
    HANDING_OVER = "handing over"
    MISSING = "missing"
    FALLING_ASLEEP = "falling asleep"
    WAKING = "waking"
    CLOSING = "closing"
    FAILING = "failing"
    LEAVING = "leaving"
    STALE = "stale"
    FOLLOWED = "followed"
    CATCHING_UP = "catching up"
    OUT_OF_REACH = "out of reach"
    TAKING_OVER = "taking over"
    ASLEEP = "asleep"
    CLOSED = "closed"
    INCOMPATIBLE = "incompatible"
    QUARANTINED = "quarantined"
    UNREADABLE = "unreadable"
    DROPPED = "dropped"


MEANING: Mapping[State, str] = MappingProxyType(
    {
        State.LOADING: "being created, or read from the store; no edge has it yet",
        State.RUNNING: "owned: each tick is stepped, committed, published",
        State.SLOWED: "owned, over its budget: stepped at a part of its rate",
        State.WAITING: "owned, and the store does not answer for its ticks",
        State.RECOVERING: "owned, its game raised: the committed rows are read back",
        State.RETRYING: "owned, rows read back: the failed tick is done without what it consumed",
        State.STANDING: "owned, and still until its author saves the game again (development)",
        State.HANDING_OVER: "owned, stepped no more: being released to a successor",
        State.MISSING: "owned, and the store has nothing of it: written anew from its rows",
        State.FALLING_ASLEEP: "owned, empty for long: the last writes before it sleeps",
        State.WAKING: "just fallen asleep, and wanted: the store is asked for it again",
        State.CLOSING: "owned, its match is finished: the last writes",
        State.FAILING: "owned, its game failed: the last writes before it is quarantined",
        State.LEAVING: "owned by a process that ends, without a successor: the last writes",
        State.STALE: "was owned until the store refused a tick: read again, to be followed",
        State.FOLLOWED: "another process owns it: its records are applied to the rows here",
        State.CATCHING_UP: "followed, something was missed: the journal is read",
        State.OUT_OF_REACH: "followed, and the store does not answer; a takeover may have happened",
        State.TAKING_OVER: "followed, its owner silent or gone: the store is asked for the room",
        State.ASLEEP: "nobody is in it; the next player who comes wakes it",
        State.CLOSED: "over for good",
        State.INCOMPATIBLE: "goes on by rules that are not this process's to run or to show",
        State.QUARANTINED: "failed too often; kept with its journal, and run by nobody",
        State.UNREADABLE: "what the store has of it cannot be read here",
        State.DROPPED: "let go by this process",
    }
)


class Event(StrEnum):
    """What may happen to a room."""

    FOLLOWS = "rows read and subscribed"
    TAKEN = "taken"
    NOT_TAKEN = "not taken: something was missed"
    OURS = "the store names this process as the owner"
    NO_ANSWER = "no answer from the store"
    HOPELESS = "crashed too many owners"
    TICK_DUE = "tick due"
    TICK_PASSED = "tick due, left out"
    COMMITTED = "tick committed"
    CHECKPOINT_DUE = "checkpoint due"
    STORE_AWAY = "store away"
    STORE_BACK = "store back"
    FENCED = "refused as stale"
    DAMAGED = "refused as damaged"
    NO_SUCH_ROOM = "no such room"
    WRITTEN_ANEW = "written anew"
    KNOWN = "known to the store after all"
    INCOMPATIBLE = "written by other rules"
    GAME_RAISED = "game raised"
    OUT_OF_MEMORY = "process out of memory"
    RESTORED = "rows read back"
    RETRIED = "failed tick done again"
    PUT_BACK = "rows read back, inputs put back"
    STOPPED_BY_GAME = "failed in development"
    FAILED = "game failed for good"
    CRASHED = "server failed"
    OVER_BUDGET = "over budget"
    IN_BUDGET = "in budget again"
    PACE_HEARD = "pace heard"
    EMPTY = "empty for long"
    FINISHED = "match finished"
    WANTED = "wanted before it sleeps"
    WANTED_ASLEEP = "asleep, and wanted"
    WRITTEN = "last writes done"
    TOLD_TO_MOVE = "told to move"
    SUCCESSOR_READY = "successor ready"
    SUBSCRIBE_FAILED = "subscribe failed"
    RELEASED = "released"
    RECORD_HEARD = "record heard"
    EPOCH_HEARD = "epoch heard"
    MISSED = "gap, or news that do not fit"
    CAUGHT_UP = "caught up"
    RELEASE_HEARD = "release heard"
    SILENCE = "owner silent"
    END_HEARD = "end heard"
    QUARANTINE_HEARD = "quarantine heard"
    SLEEP_HEARD = "sleep heard"
    UNUSED = "unused for long"
    DRAINED = "process ends, no successor"
    PROCESS_ENDS = "process ends now"


class Action(StrEnum):
    """What the room's handle does, in the order the table has it."""

    OWN = "own"
    FOLLOW = "follow"
    STEP = "step"
    STEP_WITHOUT = "step without inputs and joins"
    GIVE_SIGN_OF_LIFE = "give sign of life"
    PUBLISH = "publish"
    CHECKPOINT = "checkpoint"
    SHOW_STATUS = "show status"
    SHOW_PACE = "show pace"
    TELL_PACE = "tell pace"
    READ_BACK = "read rows back"
    LEAVE_GROUP = "leave tick group"
    REJOIN_GROUP = "rejoin tick group"
    FIND_SUCCESSOR = "find successor"
    HAND_OVER = "subscribe and release"
    WAKE = "take over and set live"
    WRITE_ANEW = "write the room anew"
    TELL_RELEASE = "tell release"
    GIVE_UP_OWNERSHIP = "keep open requests, close inbox"
    FOLLOW_AGAIN = "read and follow"
    WRITE_LAST = "write last state"
    WRITE_QUARANTINE = "write quarantine"
    SHOW = "show record"
    ENTER_EPOCH = "ask the new owner all that is open"
    READ_TAIL = "read journal's tail"
    TAKE_IN = "take in what was missed"
    HEAR_WAITING = "take in what was heard meanwhile"
    ASK = "ask the store for the room"
    END = "tell edges the end"
    FORGET = "forget"


Transition = tuple[State, tuple[Action, ...]]


def _ends(*, told: bool) -> dict[Event, Transition]:
    """How a room ends that cannot be followed; edges are told where they have it."""
    last = (Action.END, Action.FORGET) if told else (Action.FORGET,)
    return {
        Event.NO_SUCH_ROOM: (State.CLOSED, last),
        Event.DAMAGED: (State.UNREADABLE, last),
        Event.INCOMPATIBLE: (State.INCOMPATIBLE, last),
        Event.QUARANTINE_HEARD: (State.QUARANTINED, last),
        Event.SLEEP_HEARD: (State.ASLEEP, last),
        Event.CRASHED: (State.UNREADABLE, last),
        Event.PROCESS_ENDS: (State.DROPPED, (Action.FORGET,)),
    }


def _refusals(*, grouped: bool, told: bool = False) -> dict[Event, Transition]:
    """What the store's refusal of an owner's write does; `told` where edges know of an end."""
    leave = (Action.LEAVE_GROUP,) if grouped else ()
    last = (Action.FORGET,) if told else (Action.END, Action.FORGET)
    return {
        Event.FENCED: (
            State.STALE,
            (*leave, Action.GIVE_UP_OWNERSHIP, Action.FOLLOW_AGAIN),
        ),
        Event.NO_SUCH_ROOM: (State.CLOSED, (*leave, *last)),
        Event.DAMAGED: (State.UNREADABLE, (*leave, *last)),
        Event.PROCESS_ENDS: (State.DROPPED, (*leave, Action.FORGET)),
    }


def _stepped(state: State, step: Action) -> dict[Event, Transition]:
    """A room in a tick group whose ticks go on."""
    last = (Action.LEAVE_GROUP, Action.WRITE_LAST)
    told = (Action.LEAVE_GROUP, Action.END, Action.WRITE_LAST)
    return {
        Event.TICK_DUE: (state, (step,)),
        Event.COMMITTED: (state, (Action.PUBLISH,)),
        Event.CHECKPOINT_DUE: (state, (Action.CHECKPOINT,)),
        Event.STORE_AWAY: (State.WAITING, (Action.SHOW_STATUS,)),
        Event.STORE_BACK: (state, ()),
        Event.GAME_RAISED: (State.RECOVERING, (Action.READ_BACK,)),
        Event.OUT_OF_MEMORY: (State.RECOVERING, (Action.READ_BACK,)),
        Event.STOPPED_BY_GAME: (State.STANDING, ()),
        Event.FAILED: (State.FAILING, told),
        Event.CRASHED: (State.FAILING, told),
        Event.EMPTY: (State.FALLING_ASLEEP, last),
        Event.FINISHED: (State.CLOSING, told),
        Event.TOLD_TO_MOVE: (state, (Action.FIND_SUCCESSOR,)),
        Event.SUCCESSOR_READY: (
            State.HANDING_OVER,
            (Action.LEAVE_GROUP, Action.HAND_OVER),
        ),
        Event.DRAINED: (State.LEAVING, last),
        # The new owner reads its status after taking it from a silent one.
        Event.QUARANTINE_HEARD: (
            State.QUARANTINED,
            (Action.LEAVE_GROUP, Action.END, Action.FORGET),
        ),
        **_refusals(grouped=True),
        # An emptied store has lost the room; one that knows it to be closed refuses `recreate`.
        Event.NO_SUCH_ROOM: (State.MISSING, (Action.LEAVE_GROUP, Action.WRITE_ANEW)),
    }


def _writing(state: State, after: State, *, told: bool) -> dict[Event, Transition]:
    """A room whose last writes are under way, beside the ticks; `told` where edges know."""
    last = (Action.FORGET,) if told else (Action.END, Action.FORGET)
    return {
        Event.COMMITTED: (state, (Action.PUBLISH,)),
        Event.CHECKPOINT_DUE: (state, ()),
        Event.STORE_AWAY: (state, (Action.SHOW_STATUS,)),
        Event.STORE_BACK: (state, (Action.SHOW_STATUS,)),
        Event.FAILED: (state, ()),
        Event.STOPPED_BY_GAME: (state, ()),
        Event.EMPTY: (state, ()),
        Event.FINISHED: (state, ()),
        Event.TOLD_TO_MOVE: (state, ()),
        Event.DRAINED: (state, ()),
        Event.WRITTEN: (after, (Action.FORGET,)),
        Event.CRASHED: (State.UNREADABLE, last),
        **_refusals(grouped=False, told=told),
    }


def _without(pairs: dict[Event, Transition], events: Set[Event]) -> dict[Event, Transition]:
    """What may happen, but for these events."""
    return {event: pair for event, pair in pairs.items() if event not in events}


_RUNNING = _stepped(State.RUNNING, Action.STEP)
_STEPPED = {Event.GAME_RAISED, Event.OUT_OF_MEMORY, Event.CHECKPOINT_DUE, Event.FINISHED}
"""What a step may come to."""
_ANSWERED = {
    Event.COMMITTED,
    Event.STORE_AWAY,
    Event.STORE_BACK,
    Event.FENCED,
    Event.NO_SUCH_ROOM,
    Event.DAMAGED,
}
"""What the store may answer for a tick."""

TABLE: Mapping[State, Mapping[Event, Transition]] = MappingProxyType(
    {
        State.LOADING: {
            Event.TAKEN: (State.RUNNING, (Action.OWN,)),
            Event.FOLLOWS: (State.FOLLOWED, (Action.FOLLOW, Action.HEAR_WAITING)),
            Event.NOT_TAKEN: (State.DROPPED, (Action.FORGET,)),
            Event.NO_ANSWER: (State.DROPPED, (Action.FORGET,)),
            Event.HOPELESS: (State.QUARANTINED, (Action.WRITE_QUARANTINE, Action.FORGET)),
            **_ends(told=False),
        },
        State.RUNNING: {
            **_RUNNING,
            Event.OVER_BUDGET: (State.SLOWED, (Action.TELL_PACE,)),
        },
        State.SLOWED: {
            **_stepped(State.SLOWED, Action.STEP),
            Event.TICK_PASSED: (State.SLOWED, (Action.GIVE_SIGN_OF_LIFE,)),
            Event.OVER_BUDGET: (State.SLOWED, (Action.TELL_PACE,)),
            Event.IN_BUDGET: (State.RUNNING, (Action.TELL_PACE,)),
        },
        State.WAITING: {
            **_stepped(State.WAITING, Action.STEP),
            Event.STORE_AWAY: (State.WAITING, ()),
            Event.STORE_BACK: (State.RUNNING, (Action.SHOW_STATUS,)),
            # The writer says that the store is back only to rooms whose ticks it held.
            Event.COMMITTED: (State.RUNNING, (Action.SHOW_STATUS, Action.PUBLISH)),
        },
        State.RECOVERING: {
            **_without(_RUNNING, _STEPPED | {Event.SUCCESSOR_READY}),
            Event.TICK_DUE: (State.RECOVERING, (Action.GIVE_SIGN_OF_LIFE,)),
            # A room that runs ahead waits for its last ticks before it reads them back.
            Event.COMMITTED: (State.RECOVERING, (Action.PUBLISH,)),
            Event.STORE_AWAY: (State.RECOVERING, ()),
            Event.STORE_BACK: (State.RECOVERING, ()),
            # Its rows are not whole, and so are gone with the store's.
            Event.NO_SUCH_ROOM: (
                State.CLOSED,
                (Action.LEAVE_GROUP, Action.END, Action.FORGET),
            ),
            Event.RESTORED: (State.RETRYING, ()),
            Event.PUT_BACK: (State.RUNNING, ()),
            Event.TOLD_TO_MOVE: (State.RECOVERING, ()),
        },
        State.RETRYING: {
            **_without(_RUNNING, _STEPPED | _ANSWERED | {Event.STOPPED_BY_GAME}),
            Event.TICK_DUE: (State.RETRYING, (Action.STEP_WITHOUT,)),
            Event.RETRIED: (State.RUNNING, ()),
            Event.OUT_OF_MEMORY: (State.RECOVERING, (Action.READ_BACK,)),
            Event.GAME_RAISED: (
                State.FAILING,
                (Action.LEAVE_GROUP, Action.END, Action.WRITE_LAST),
            ),
            Event.TOLD_TO_MOVE: (State.RETRYING, (Action.FIND_SUCCESSOR,)),
        },
        State.STANDING: {
            **_without(_RUNNING, {Event.GAME_RAISED, Event.OUT_OF_MEMORY}),
            Event.TICK_DUE: (State.STANDING, (Action.SHOW_STATUS, Action.GIVE_SIGN_OF_LIFE)),
            Event.COMMITTED: (State.STANDING, (Action.PUBLISH,)),
            Event.CHECKPOINT_DUE: (State.STANDING, ()),
            Event.STORE_AWAY: (State.STANDING, ()),
            Event.STORE_BACK: (State.STANDING, ()),
            Event.STOPPED_BY_GAME: (State.STANDING, ()),
            Event.FAILED: (State.STANDING, ()),
            Event.EMPTY: (State.STANDING, ()),
            Event.FINISHED: (State.STANDING, ()),
            Event.TOLD_TO_MOVE: (State.STANDING, (Action.FIND_SUCCESSOR,)),
        },
        State.HANDING_OVER: {
            Event.RELEASED: (
                State.FOLLOWED,
                (Action.GIVE_UP_OWNERSHIP, Action.FOLLOW, Action.TELL_RELEASE, Action.HEAR_WAITING),
            ),
            # The release may have happened: followed, and by silence asked for again.
            Event.NO_ANSWER: (
                State.OUT_OF_REACH,
                (Action.GIVE_UP_OWNERSHIP, Action.FOLLOW, Action.SHOW_STATUS),
            ),
            # Nothing was written, so it is still this process's.
            Event.SUBSCRIBE_FAILED: (State.RUNNING, (Action.REJOIN_GROUP,)),
            Event.CRASHED: (State.RUNNING, (Action.REJOIN_GROUP,)),
            Event.STORE_AWAY: (State.HANDING_OVER, ()),
            Event.STORE_BACK: (State.HANDING_OVER, ()),
            Event.FAILED: (State.HANDING_OVER, ()),
            Event.STOPPED_BY_GAME: (State.HANDING_OVER, ()),
            Event.TOLD_TO_MOVE: (State.HANDING_OVER, ()),
            Event.DRAINED: (State.HANDING_OVER, ()),
            **_refusals(grouped=False),
        },
        State.MISSING: {
            Event.WRITTEN_ANEW: (State.RUNNING, (Action.REJOIN_GROUP,)),
            Event.KNOWN: (State.STALE, (Action.GIVE_UP_OWNERSHIP, Action.FOLLOW_AGAIN)),
            Event.NO_ANSWER: (State.MISSING, ()),
            Event.STORE_AWAY: (State.MISSING, ()),
            Event.STORE_BACK: (State.MISSING, ()),
            Event.FAILED: (State.MISSING, ()),
            Event.STOPPED_BY_GAME: (State.MISSING, ()),
            Event.TOLD_TO_MOVE: (State.MISSING, ()),
            Event.DRAINED: (State.MISSING, ()),
            Event.CRASHED: (State.UNREADABLE, (Action.END, Action.FORGET)),
            **_refusals(grouped=False),
        },
        State.FALLING_ASLEEP: {
            **_writing(State.FALLING_ASLEEP, State.ASLEEP, told=False),
            Event.WANTED: (State.RUNNING, (Action.REJOIN_GROUP,)),
            Event.WANTED_ASLEEP: (State.WAKING, (Action.GIVE_UP_OWNERSHIP, Action.WAKE)),
            Event.WRITTEN: (State.ASLEEP, (Action.END, Action.FORGET)),
        },
        State.WAKING: {
            **_ends(told=True),
            Event.TAKEN: (State.RUNNING, (Action.OWN,)),
            # Another process was faster, or has what is missing here.
            Event.NOT_TAKEN: (State.STALE, (Action.FOLLOW_AGAIN,)),
            Event.FENCED: (State.STALE, (Action.FOLLOW_AGAIN,)),
            Event.NO_ANSWER: (State.WAKING, ()),
            Event.HOPELESS: (
                State.QUARANTINED,
                (Action.WRITE_QUARANTINE, Action.END, Action.FORGET),
            ),
        },
        State.CLOSING: _writing(State.CLOSING, State.CLOSED, told=True),
        State.FAILING: _writing(State.FAILING, State.QUARANTINED, told=True),
        State.LEAVING: _writing(State.LEAVING, State.DROPPED, told=False),
        State.STALE: {
            **_ends(told=True),
            Event.FOLLOWS: (State.FOLLOWED, (Action.FOLLOW, Action.HEAR_WAITING)),
            Event.NO_ANSWER: (State.STALE, ()),
            Event.DRAINED: (State.STALE, ()),
        },
        State.FOLLOWED: {
            Event.RECORD_HEARD: (State.FOLLOWED, (Action.SHOW,)),
            Event.EPOCH_HEARD: (State.FOLLOWED, (Action.ENTER_EPOCH,)),
            Event.PACE_HEARD: (State.FOLLOWED, (Action.SHOW_PACE,)),
            Event.MISSED: (State.CATCHING_UP, (Action.READ_TAIL,)),
            Event.RELEASE_HEARD: (State.TAKING_OVER, (Action.ASK,)),
            Event.SILENCE: (State.TAKING_OVER, (Action.ASK,)),
            Event.WANTED_ASLEEP: (State.WAKING, (Action.WAKE,)),
            Event.END_HEARD: (State.CLOSED, (Action.END, Action.FORGET)),
            Event.UNUSED: (State.DROPPED, (Action.FORGET,)),
            **_ends(told=True),
        },
        State.OUT_OF_REACH: {
            # Its owner lives and commits, so the store answers others.
            Event.RECORD_HEARD: (State.FOLLOWED, (Action.SHOW_STATUS, Action.SHOW)),
            Event.EPOCH_HEARD: (State.FOLLOWED, (Action.ENTER_EPOCH,)),
            Event.PACE_HEARD: (State.FOLLOWED, (Action.SHOW_PACE,)),
            Event.MISSED: (State.CATCHING_UP, (Action.READ_TAIL,)),
            Event.RELEASE_HEARD: (State.TAKING_OVER, (Action.ASK,)),
            Event.SILENCE: (State.TAKING_OVER, (Action.ASK,)),
            Event.WANTED_ASLEEP: (State.WAKING, (Action.WAKE,)),
            Event.END_HEARD: (State.CLOSED, (Action.END, Action.FORGET)),
            Event.UNUSED: (State.DROPPED, (Action.FORGET,)),
            **_ends(told=True),
        },
        State.CATCHING_UP: {
            Event.RECORD_HEARD: (State.CATCHING_UP, (Action.SHOW,)),
            Event.EPOCH_HEARD: (State.CATCHING_UP, (Action.ENTER_EPOCH,)),
            Event.CAUGHT_UP: (State.FOLLOWED, (Action.SHOW_STATUS, Action.HEAR_WAITING)),
            Event.NO_ANSWER: (State.OUT_OF_REACH, (Action.SHOW_STATUS, Action.HEAR_WAITING)),
            **_ends(told=True),
        },
        State.TAKING_OVER: {
            Event.TAKEN: (State.RUNNING, (Action.OWN,)),
            Event.HOPELESS: (
                State.QUARANTINED,
                (Action.WRITE_QUARANTINE, Action.END, Action.FORGET),
            ),
            # The answer to an earlier question was lost; asked again, it costs no crash.
            Event.OURS: (State.TAKING_OVER, (Action.ASK,)),
            Event.NOT_TAKEN: (State.CATCHING_UP, (Action.TAKE_IN,)),
            # It may have been taken all the same: asked again, by the same name.
            Event.NO_ANSWER: (State.OUT_OF_REACH, (Action.SHOW_STATUS, Action.HEAR_WAITING)),
            **_ends(told=True),
        },
        **{
            state: {}
            for state in (
                State.ASLEEP,
                State.CLOSED,
                State.INCOMPATIBLE,
                State.QUARANTINED,
                State.UNREADABLE,
                State.DROPPED,
            )
        },
    }
)

GROUPED = frozenset(
    {
        State.RUNNING,
        State.SLOWED,
        State.WAITING,
        State.RECOVERING,
        State.RETRYING,
        State.STANDING,
    }
)
"""In a tick group: their ticks come due."""
LAST_WRITES = frozenset({State.FALLING_ASLEEP, State.CLOSING, State.FAILING, State.LEAVING})
OWNED = GROUPED | LAST_WRITES | {State.HANDING_OVER, State.MISSING}
"""This process writes its journal."""
FOLLOWING = frozenset(
    {
        State.FOLLOWED,
        State.CATCHING_UP,
        State.OUT_OF_REACH,
        State.TAKING_OVER,
        State.STALE,
        State.WAKING,
    }
)
ENDS = frozenset(state for state, pairs in TABLE.items() if not pairs)
BUSY = frozenset(
    {
        State.LOADING,
        State.HANDING_OVER,
        State.STALE,
        State.CATCHING_UP,
        State.TAKING_OVER,
        State.WAKING,
    }
)
"""News wait meanwhile: rows are being read, or the store is asked for the room."""

Observer = Callable[[State, Event, State], None]


def unobserved(state: State, event: Event, new: State) -> None:
    """The observer of a room that nobody observes."""


class Life:
    """The machine of one room in one process; `observer` hears of every transition."""

    __slots__ = ("_observer", "state")

    def __init__(self, observer: Observer = unobserved, state: State = State.LOADING) -> None:
        self.state = state
        self._observer = observer

    def on(self, event: Event) -> tuple[Action, ...]:
        """Enter the state that follows; what is to be done now."""
        state = self.state
        found = TABLE[state].get(event)
        assert found is not None, f"a room that is {state} does not know of: {event}"
        self.state, actions = found
        self._observer(state, event, self.state)
        return actions

    @property
    def owned(self) -> bool:
        """Whether this process writes the room's journal."""
        return self.state in OWNED

    @property
    def following(self) -> bool:
        """Whether another process may own it, and this one keeps a copy or reads one."""
        return self.state in FOLLOWING

    @property
    def over(self) -> bool:
        """Whether nothing happens to it in this process any more."""
        return self.state in ENDS

    @property
    def steps(self) -> bool:
        """Whether its ticks come due here."""
        return self.state in GROUPED

    @property
    def busy(self) -> bool:
        """Whether news of the room wait until its work is done."""
        return self.state in BUSY

    @property
    def droppable(self) -> bool:
        """Whether this process may let it go when nobody here uses it."""
        return Event.UNUSED in TABLE[self.state]

    @property
    def ending(self) -> bool:
        """Whether nobody is to be sent there any more; who comes to a sleeper wakes it."""
        return self.state in ENDS or (
            self.state in LAST_WRITES and self.state is not State.FALLING_ASLEEP
        )


def table_as_markdown() -> str:
    """The states and what they mean, and every transition: a table each."""
    lines = ["| state | what it is |", "|---|---|"]
    lines += [f"| {state} | {MEANING[state]} |" for state in State]
    lines += ["", "| state | events | next | actions |", "|---|---|---|---|"]
    for state, pairs in TABLE.items():
        alike: dict[Transition, list[Event]] = {}
        for event, transition in pairs.items():
            alike.setdefault(transition, []).append(event)
        for (new, actions), events in alike.items():
            following = "" if new is state else str(new)
            lines.append(f"| {state} | {' · '.join(events)} | {following} | {', '.join(actions)} |")
    return "\n".join(lines) + "\n"
