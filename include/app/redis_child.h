#pragma once
/* The embedded Redis: a redis-server child on the socket redis.sock of serve.state_dir, with an
 * append-only file synced before every answer. The supervisor drives it: it calls
 * redis_child_advance in its loop and hands over exits. Times are clock_mono_ms values. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/config.h"

enum redis_child_state {
    REDIS_CHILD_WAITING,  /* for the time of the next start */
    REDIS_CHILD_CLEARING, /* someone else still answers on the socket */
    REDIS_CHILD_STARTING, /* runs, does not answer PING yet (it may be loading) */
    REDIS_CHILD_UP,
    REDIS_CHILD_STOPPING,
    REDIS_CHILD_STOPPED,
    REDIS_CHILD_FAILED, /* could not be brought up; the reason was logged */
};

struct redis_child;

/* Borrows cfg. The state directory exists and is locked by this process. Never NULL. */
struct redis_child *redis_child_create(const struct config *cfg);
/* The child has ended. Accepts NULL. */
void redis_child_destroy(struct redis_child *r);
/* Does what is due. Returns the milliseconds after which to call again, -1 for no need. */
int64_t redis_child_advance(struct redis_child *r, int64_t now_ms);
/* True when `pid` was the child; then its end is taken note of. */
bool redis_child_on_exit(struct redis_child *r, pid_t pid, int wait_status, int64_t now_ms);
/* Asks the child to end, and kills it after redis.stop_timeout_s. */
void redis_child_stop(struct redis_child *r, int64_t now_ms);
/* Kills the child at once. */
void redis_child_kill(struct redis_child *r);
enum redis_child_state redis_child_state(const struct redis_child *r);
