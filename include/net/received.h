#pragma once
/* What the kernel knows of a connection that a library above it does not tell. */
#include <stdint.h>

/* Bytes received on a TCP socket so far, those not yet read included; 0 when the kernel does not
 * say. */
uint64_t received_bytes(int fd);
/* Since bytes last came in on a TCP socket, or since it was accepted when none did; INT64_MAX when
 * the kernel does not say. */
int64_t received_ms_ago(int fd);
