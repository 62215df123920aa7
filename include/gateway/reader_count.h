#pragma once
/* Tells the newsroom, through Redis, what this worker's readers follow (store/reader_board.h). */
#include "gateway/hub.h"
#include "store/store.h"

struct reader_count;

/* Borrows both. Never NULL. */
struct reader_count *reader_count_create(struct store *store, const struct hub *hub);
/* Accepts NULL. */
void reader_count_destroy(struct reader_count *c);
/* Often: tells when it is time and there is something new to tell. */
void reader_count_tick(struct reader_count *c, int64_t now_ms);
