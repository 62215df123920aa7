#pragma once
/* When to give memory back to the system: a crowd that came or went leaves the allocator with pages
 * nobody uses (of handshakes: 5 KB each for a moment), and keeps them. Pure. */
#include <stdbool.h>
#include <stddef.h>

struct slack {
    size_t trimmed_at; /* readers when it was last time */
    size_t last;       /* readers at the last look */
    int calm;          /* looks in a row at about the same number */
};

/* Asked every HUB_TICK_MS with the number of readers. True once after each crowd of at least a
 * thousand, when the number has not moved by more than a hundredth for a second: trimming walks the
 * whole heap, so not while they come. */
bool slack_is_due(struct slack *s, size_t readers);
