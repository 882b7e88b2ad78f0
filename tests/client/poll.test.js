/** Asking again and again: when it asks, when it does not, and which answers it hears. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Poll } from "../../client/page/poll.js";
import { World } from "./world.js";

let world, hidden, asked, told, poll;

/** Lets promises that are settled be heard. */
const settle = () => new Promise((resolve) => setImmediate(resolve));
const pass = async (ms) => {
  world.pass(ms);
  await settle();
};

beforeEach(() => {
  world = new World();
  hidden = false;
  asked = [];
  told = [];
  poll = new Poll(
    () => new Promise((resolve, reject) => asked.push({ resolve, reject })),
    (answer) => told.push(answer),
    (error) => told.push(error.message),
    { setTimeout: world.setTimeout, clearTimeout: world.clearTimeout, hidden: () => hidden },
  );
});

test("it asks at once, and again two seconds after each answer", async () => {
  poll.start();
  assert.equal(asked.length, 1);
  await pass(10_000);
  assert.equal(asked.length, 1, "never two questions at a time");
  asked[0].resolve("one");
  await settle();
  assert.deepEqual(told, ["one"]);
  await pass(1999);
  assert.equal(asked.length, 1);
  await pass(1);
  assert.equal(asked.length, 2);
});

test("an error is told, and asking goes on", async () => {
  poll.start();
  asked[0].reject(new Error("away"));
  await settle();
  await pass(2000);
  asked[1].resolve("back");
  await settle();
  assert.deepEqual(told, ["away", "back"]);
});

test("a hidden page asks nothing, and asks at once when it is looked at again", async () => {
  hidden = true;
  poll.start();
  await pass(20_000);
  assert.equal(asked.length, 0);
  hidden = false;
  poll.hurry();
  assert.equal(asked.length, 1);
  poll.hurry();
  assert.equal(asked.length, 1, "a question under way is enough");
  asked[0].resolve("seen");
  await settle();
  assert.deepEqual(told, ["seen"]);
  assert.equal(world.waiting, 1, "one timer, not two");
});

test("once stopped it hears nothing, asks nothing, and cannot be hurried", async () => {
  poll.start();
  poll.stop();
  asked[0].resolve("late");
  await settle();
  poll.hurry();
  await pass(10_000);
  assert.deepEqual(told, []);
  assert.equal(asked.length, 1);
});

test("started again, it hears the new question's answer only", async () => {
  poll.start();
  poll.start();
  asked[0].resolve("old");
  asked[1].resolve("new");
  await settle();
  assert.deepEqual(told, ["new"]);
  assert.equal(world.waiting, 1);
});
