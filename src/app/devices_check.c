#include "app/devices_transfer.h"

#include <inttypes.h>

#include "store/audit.h"
#include "store/device_check.h"

enum { SHOWN_MAX = 100 };

struct check {
    uint64_t faults;
    uint64_t devices;
    enum err err;
    bool done;
};

static void on_fault(void *user, const struct device_fault *fault) {
    struct check *check = user;
    if (check->faults++ >= SHOWN_MAX) {
        return;
    }
    (void)printf("%.*s", STR_ARG(fault->what));
    if (fault->number >= 0) {
        (void)printf(" device %" PRId64, fault->number);
    }
    (void)printf("%s%.*s\n", fault->detail.n ? " " : "", STR_ARG(fault->detail));
}

static void on_done(void *user, enum err err, uint64_t devices) {
    struct check *check = user;
    check->err = err;
    check->devices = devices;
    check->done = true;
}

static void on_recorded(void *user, enum err err) {
    struct check *check = user;
    check->err = err;
    check->done = true;
}

/* The repair is done, step by step; that somebody did it is told afterwards. */
static void record(struct cli_store *c, struct check *check) {
    char detail[64];
    (void)snprintf(detail, sizeof(detail), "{\"devices\":%" PRIu64 ",\"faults\":%" PRIu64 "}",
                   check->devices, check->faults);
    const struct audit_event event = {
        .action = "devices.repaired", .key_name = "command line", .detail_json = str_of(detail)};
    check->done = false;
    audit_record(c->store, &event, on_recorded, check);
    cli_store_run(c, &check->done);
}

bool devices_check(struct cli_store *c, bool repair) {
    struct check check = {0};
    device_store_check(c->store, repair, on_fault, on_done, &check);
    cli_store_run(c, &check.done);
    if (repair && check.faults && !check.err) {
        record(c, &check);
    }
    if (check.faults > SHOWN_MAX) {
        (void)printf("and %" PRIu64 " more\n", check.faults - SHOWN_MAX);
    }
    if (check.err == ERR_NOT_FOUND) {
        (void)fputs("tocsin devices: the names of the values are lost, so no record can be read; "
                    "nothing was changed. Restore Redis from a copy, or import the devices anew.\n",
                    stderr);
    } else if (check.err) {
        (void)fprintf(stderr, "tocsin devices: Redis is away (%s)\n", err_name(check.err));
    } else {
        (void)printf("%" PRIu64 " devices, %" PRIu64 " faults%s\n", check.devices, check.faults,
                     check.faults && repair ? ", repaired" : "");
    }
    return !check.err && (repair || !check.faults);
}
