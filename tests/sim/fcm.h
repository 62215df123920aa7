#pragma once
/* Google's FCM HTTP v1: POST /v1/projects/<project>/messages:send. */
#include "base/str.h"
#include "sim.h"
#include "stream.h"

struct fcm;

struct fcm *fcm_create(struct sim *s);
/* Accepts NULL. */
void fcm_destroy(struct fcm *f);
/* Forgets messages and quota; before the ledger it was made with goes. */
void fcm_reset(struct fcm *f);
/* Fills st->answer. */
void fcm_handle(struct fcm *f, struct stream *st);
/* The error of this name (fcm_error.c); status 0 = the usual one. */
void fcm_answer_named(struct stream *st, int status, const char *name);
