#pragma once
/* The control plane: plain HTTP/1.1 on loopback, on the same loop. README.md tells the calls. */
#include "base/err.h"
#include "sim.h"

struct control;

/* Listens at "HOST:PORT" (port 0 = any). */
MUST_CHECK enum err control_create(struct sim *s, const char *address, struct control **out);
/* Accepts NULL. */
void control_destroy(struct control *c);
const char *control_host(const struct control *c);
int control_port(const struct control *c);
