#include "base/err.h"

static const char *const names[ERR_COUNT] = {
    [ERR_OK] = "ok",         [ERR_INVALID] = "invalid",         [ERR_NOT_FOUND] = "not_found",
    [ERR_EXISTS] = "exists", [ERR_CONFLICT] = "conflict",       [ERR_DENIED] = "denied",
    [ERR_FULL] = "full",     [ERR_TOO_LARGE] = "too_large",     [ERR_TIMEOUT] = "timeout",
    [ERR_CLOSED] = "closed", [ERR_UNAVAILABLE] = "unavailable", [ERR_PROTOCOL] = "protocol",
    [ERR_IO] = "io",
};

const char *err_name(enum err err) {
    return (unsigned)err < ERR_COUNT ? names[err] : "unknown";
}
