/* A load generator for the benchmarks: N WebSocket players on loopback, in C so that it costs little.
 *
 *   cc -O2 -o load load.c
 *   load --port 8080 --pid 1234 --players 1000 --hz 20 --warm 3 --seconds 5 [--idle] [--bare]
 *
 * Each player says JOIN (docs/PROTOCOL.md) and then sends one INPUT item a period, reporting the
 * tick of the newest frame. With --bare the server is the Node loop in peers/bare.cjs: the same
 * INPUT messages, no JOIN. With --idle nothing is said after the handshake. It prints one JSON
 * object: what arrived, what was sent, and the CPU time and memory of process --pid meanwhile.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTING, HANDSHAKE, OPEN, CLOSED };

typedef struct {
    int fd, state, matched;   /* matched: how much of the blank line after the head was seen */
    uint8_t head[10], body[16];
    int head_len, body_len;
    uint64_t left;            /* payload bytes still to come */
    uint32_t seq, tick;
    uint64_t due;
    int welcomed;
} player;

static int port, pid, players = 100, idle, bare;
static double hz = 20, warm_s = 2, seconds = 5;
static player *all;
static int poller, open_now, started, pending;
static uint64_t frames, frame_bytes, sent, refused, lost;
static uint64_t run;
static int measuring;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static double cpu_of(int process) {
    clockid_t clock;
    struct timespec t;
    if (process <= 0 || clock_getcpuclockid(process, &clock) || clock_gettime(clock, &t)) return 0;
    return t.tv_sec + t.tv_nsec / 1e9;
}

static long resident_kb(int process) {
    char path[64];
    long total, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", process);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void drop(player *p) {
    if (p->state == CLOSED) return;
    if (p->state == OPEN) { lost++; open_now--; } else { refused++; pending--; }
    close(p->fd);
    p->state = CLOSED;
}

/* One masked frame (RFC 6455 section 5.3); the mask is constant, which costs a server the same. */
static void say(player *p, int opcode, const uint8_t *data, int length) {
    static const uint8_t mask[4] = {0x5a, 0xc3, 0x19, 0xe7};
    uint8_t out[512];
    int at = 0;
    out[at++] = 0x80 | opcode;
    if (length < 126) out[at++] = 0x80 | length;
    else { out[at++] = 0x80 | 126; out[at++] = length >> 8; out[at++] = length & 255; }
    memcpy(out + at, mask, 4);
    at += 4;
    for (int i = 0; i < length; i++) out[at + i] = data[i] ^ mask[i & 3];
    if (send(p->fd, out, at + length, MSG_NOSIGNAL | MSG_DONTWAIT) != at + length) drop(p);
}

static int put_u32(uint8_t *out, uint32_t value) {
    out[0] = 0xce;
    for (int i = 0; i < 4; i++) out[1 + i] = value >> (24 - 8 * i);
    return 5;
}

/* [1, nonce, "crowd", {}, "load", 0, nil, "load"] */
static void join(player *p) {
    uint8_t out[64];
    int at = 0;
    uint32_t number = p - all;
    out[at++] = 0x98;
    out[at++] = 1;
    out[at++] = 0xc4;
    out[at++] = 16;
    /* A nonce of its own for each run, or a player would find the seat of the run before. */
    memset(out + at, 0x11, 16);
    memcpy(out + at, &number, 4);
    memcpy(out + at + 4, &run, 8);
    at += 16;
    memcpy(out + at, "\xa5" "crowd\x80\xa4load\x00\xc0\xa4load", 19);
    say(p, 2, out, at + 19);
}

/* [3, tick, [seq, [x, y]]]: a second to the right, a second to the left. */
static void input(player *p) {
    uint8_t out[32];
    int at = 0, right = p->seq / 20 % 2;
    out[at++] = 0x93;
    out[at++] = 3;
    at += put_u32(out + at, p->tick);
    out[at++] = 0x92;
    at += put_u32(out + at, ++p->seq);
    out[at++] = 0x92;
    out[at++] = right ? 1 : 0xff;
    out[at++] = (p - all) % 2 ? 1 : 0xff;
    say(p, 2, out, at);
    if (measuring) sent++;
}

static uint32_t read_uint(const uint8_t *b) {
    if (b[0] < 0x80) return b[0];
    if (b[0] == 0xcc) return b[1];
    if (b[0] == 0xcd) return b[1] << 8 | b[2];
    return (uint32_t)b[1] << 24 | b[2] << 16 | b[3] << 8 | b[4];
}

static void message(player *p, uint64_t length) {
    int type = p->body[1];
    if (!bare && type == 16) { p->welcomed = 1; return; }
    if (!bare && type != 17) return;
    if (!bare) p->tick = read_uint(p->body + 2);
    p->welcomed = 1;
    if (measuring) { frames++; frame_bytes += length; }
}

static void feed(player *p, const uint8_t *b, int length) {
    for (int i = 0; i < length && p->state == OPEN;) {
        if (!p->left) {
            p->head[p->head_len++] = b[i++];
            int code = p->head_len > 1 ? p->head[1] & 127 : 0;
            if (p->head_len < (code == 126 ? 4 : code == 127 ? 10 : 2)) continue;
            p->left = code;
            if (code > 125) {
                p->left = 0;
                for (int k = 2; k < p->head_len; k++) p->left = p->left << 8 | p->head[k];
            }
            p->body_len = 0;
        }
        uint64_t take = (uint64_t)(length - i) < p->left ? (uint64_t)(length - i) : p->left;
        int room = sizeof p->body - p->body_len;
        int keep = (uint64_t)room < take ? room : (int)take;
        memcpy(p->body + p->body_len, b + i, keep);
        p->body_len += keep;
        i += take;
        p->left -= take;
        if (!p->left) {
            int code = p->head[1] & 127, opcode = p->head[0] & 15;
            uint64_t size = code < 126 ? code : 0;
            if (code > 125) for (int k = 2; k < p->head_len; k++) size = size << 8 | p->head[k];
            p->head_len = 0;
            if (opcode == 2) message(p, size);
            else if (opcode == 9) say(p, 10, p->body, p->body_len);
            else if (opcode == 8) drop(p);
        }
    }
}

static void begin(player *p) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (p->fd < 0) { perror("socket"); exit(2); }
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    p->state = CONNECTING;
    pending++;
    if (connect(p->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) { drop(p); return; }
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = p};
    epoll_ctl(poller, EPOLL_CTL_ADD, p->fd, &event);
}

static void connected(player *p) {
    char request[512];
    int length = snprintf(request, sizeof request,
        "GET /play HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: holdfast.1\r\n\r\n", port);
    if (send(p->fd, request, length, MSG_NOSIGNAL) != length) { drop(p); return; }
    p->state = HANDSHAKE;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
    epoll_ctl(poller, EPOLL_CTL_MOD, p->fd, &event);
}

static void shake(player *p, const uint8_t *b, int length) {
    if (length > 12 && !p->matched && memcmp(b + 9, "101", 3)) { drop(p); return; }
    for (int i = 0; i < length; i++) {
        p->matched = b[i] == "\r\n\r\n"[p->matched] ? p->matched + 1 : b[i] == '\r';
        if (p->matched == 4) {
            p->state = OPEN;
            pending--;
            open_now++;
            if (!idle && !bare) join(p);
            feed(p, b + i + 1, length - i - 1);
            return;
        }
    }
}

static void poll_once(int wait_ms) {
    static struct epoll_event events[1024];
    static uint8_t buffer[1 << 18];
    int count = epoll_wait(poller, events, 1024, wait_ms);
    for (int i = 0; i < count; i++) {
        player *p = events[i].data.ptr;
        if (p->state == CLOSED) continue;
        if (p->state == CONNECTING) { connected(p); continue; }
        ssize_t got = recv(p->fd, buffer, sizeof buffer, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got <= 0) drop(p);
        else if (p->state == OPEN) feed(p, buffer, got);
        else shake(p, buffer, got);
    }
}

/* Senders are spread evenly over the period and visited in due order. */
static void run_for(double span_s) {
    static int next;
    uint64_t end = now_ns() + (uint64_t)(span_s * 1e9), period = (uint64_t)(1e9 / hz);
    for (uint64_t t = now_ns(); t < end; t = now_ns()) {
        for (int steps = 0; !idle && steps < players && all[next].due <= t; steps++) {
            player *p = &all[next];
            p->due += period;
            if (p->state == OPEN && (bare || p->welcomed)) input(p);
            next = (next + 1) % players;
        }
        poll_once(1);
    }
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i], *value = i + 1 < argc ? argv[i + 1] : "0";
        if (!strcmp(flag, "--idle")) { idle = 1; continue; }
        if (!strcmp(flag, "--bare")) { bare = 1; continue; }
        i++;
        if (!strcmp(flag, "--port")) port = atoi(value);
        else if (!strcmp(flag, "--pid")) pid = atoi(value);
        else if (!strcmp(flag, "--players")) players = atoi(value);
        else if (!strcmp(flag, "--hz")) hz = atof(value);
        else if (!strcmp(flag, "--warm")) warm_s = atof(value);
        else if (!strcmp(flag, "--seconds")) seconds = atof(value);
        else { fprintf(stderr, "load: %s is unknown\n", flag); return 2; }
    }
    alarm((unsigned)(warm_s + seconds + 90));
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    run = now_ns();
    all = calloc(players, sizeof *all);
    poller = epoll_create1(0);
    long before_kb = resident_kb(pid);
    while (open_now + (int)(refused + lost) < players) {
        while (started < players && pending < 32) begin(&all[started++]);
        poll_once(5);
    }
    uint64_t t = now_ns();
    for (int i = 0; i < players; i++) all[i].due = t + (uint64_t)(1e9 / hz * i / players);
    run_for(warm_s);
    long after_kb = resident_kb(pid);
    struct rusage r0, r1;
    getrusage(RUSAGE_SELF, &r0);
    double cpu = cpu_of(pid), began = now_ns() / 1e9;
    measuring = 1;
    run_for(seconds);
    cpu = cpu_of(pid) - cpu;
    double took = now_ns() / 1e9 - began;
    getrusage(RUSAGE_SELF, &r1);
    double own = (r1.ru_utime.tv_sec - r0.ru_utime.tv_sec) + (r1.ru_stime.tv_sec - r0.ru_stime.tv_sec)
        + (r1.ru_utime.tv_usec - r0.ru_utime.tv_usec + r1.ru_stime.tv_usec - r0.ru_stime.tv_usec) / 1e6;
    printf("{\"players\":%d,\"open\":%d,\"refused\":%lu,\"lost\":%lu,\"seconds\":%.3f,\"frames\":%lu,"
           "\"frame_bytes\":%lu,\"sent\":%lu,\"cpu_s\":%.4f,\"loader_cpu_s\":%.3f,"
           "\"resident_before_kb\":%ld,\"resident_after_kb\":%ld}\n",
           players, open_now, refused, lost, took, frames, frame_bytes, sent, cpu, own, before_kb, after_kb);
    return 0;
}
