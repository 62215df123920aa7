#pragma once
/* The one error type. ERR_OK is 0; errno and library codes are translated where they appear.
 * An outcome a caller must choose between (token dead, retry later) is not an error: it has its
 * own enum beside the function that returns it. */

enum err {
    ERR_OK = 0,
    ERR_INVALID,     /* input that breaks a rule; the caller gets told which */
    ERR_NOT_FOUND,   /* the thing named does not exist */
    ERR_EXISTS,      /* the thing named exists already */
    ERR_CONFLICT,    /* the state of the thing forbids the move */
    ERR_DENIED,      /* credentials missing, wrong or without the scope */
    ERR_FULL,        /* a stated limit is reached; try later */
    ERR_TOO_LARGE,   /* the input is over its limit; do not try again unchanged */
    ERR_TIMEOUT,     /* no answer in time; the outcome at the peer is unknown */
    ERR_CLOSED,      /* the peer or we ended it */
    ERR_UNAVAILABLE, /* the peer is not there; nothing was sent */
    ERR_PROTOCOL,    /* the peer said something the protocol forbids */
    ERR_IO,          /* the kernel refused; errno was logged where it happened */
    ERR_COUNT
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* Short lower-case name ("not_found") for logs; never NULL. */
const char *err_name(enum err err);
