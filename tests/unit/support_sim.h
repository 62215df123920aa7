#pragma once
/* The provider simulator as a child process of a test, and its control port. Only the process
 * started here is ever signalled. */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

struct test_sim {
    pid_t pid;
    int stdin_fd; /* closing it ends the simulator */
    char dir[64];
    char apns[64]; /* "https://127.0.0.1:PORT" */
    char fcm[64];
    char oauth[64];
    int control; /* port */
    char ca_file[96];
    char apns_key[96];
    char fcm_account[128];
};

static inline void test_sim_exec(const struct test_sim *s, int in, int out) {
    char program[4096];
    const char *root = getenv("TEST_BINARY_DIR");
    (void)snprintf(program, sizeof(program), "%s/tests/tocsin-sim", root ? root : ".");
    (void)dup2(in, 0);
    (void)dup2(out, 1);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execl(program, program, "--dir", s->dir, "--apns", "127.0.0.1:0", "--fcm", "127.0.0.1:0",
                "--oauth", "127.0.0.1:0", "--control", "127.0.0.1:0", "--exit-with-stdin",
                (char *)NULL);
    perror(program);
    _exit(127);
}

static inline void test_sim_take(const cJSON *line, const char *name, char *out, size_t size) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(line, name);
    (void)snprintf(out, size, "%s", cJSON_IsString(item) ? item->valuestring : "");
}

/* Starts it on free ports; ends the test program when that fails. */
static inline void test_sim_start(struct test_sim *s) {
    int in[2];
    int out[2];
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/tocsin-sim-XXXXXX");
    if (!mkdtemp(s->dir) || pipe(in) || pipe(out)) {
        exit(1);
    }
    (void)fflush(NULL);
    s->pid = fork();
    if (s->pid == 0) {
        (void)close(in[1]);
        test_sim_exec(s, in[0], out[1]);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    s->stdin_fd = in[1];
    char line[1024] = "";
    FILE *ready = fdopen(out[0], "r");
    if (!ready || !fgets(line, sizeof(line), ready)) {
        (void)fprintf(stderr, "the simulator did not start (is tocsin-sim built?)\n");
        exit(1);
    }
    (void)fclose(ready);
    char control[64] = "";
    cJSON *json = cJSON_Parse(line);
    test_sim_take(json, "apns", s->apns, sizeof(s->apns));
    test_sim_take(json, "fcm", s->fcm, sizeof(s->fcm));
    test_sim_take(json, "oauth", s->oauth, sizeof(s->oauth));
    test_sim_take(json, "control", control, sizeof(control));
    cJSON_Delete(json);
    const char *port = strrchr(control, ':');
    s->control = port ? (int)strtol(port + 1, NULL, 10) : 0;
    (void)snprintf(s->ca_file, sizeof(s->ca_file), "%s/ca.pem", s->dir);
    (void)snprintf(s->apns_key, sizeof(s->apns_key), "%s/apns_key.p8", s->dir);
    (void)snprintf(s->fcm_account, sizeof(s->fcm_account), "%s/fcm_service_account.json", s->dir);
}

static inline void test_sim_stop(struct test_sim *s) {
    char command[128];
    (void)close(s->stdin_fd);
    (void)kill(s->pid, SIGTERM);
    (void)waitpid(s->pid, NULL, 0);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", s->dir);
    if (system(command) != 0) {
        (void)fprintf(stderr, "%s stays\n", s->dir);
    }
}

/* One call of the control port; the body of the answer, to be freed. Ends the test program when
 * the status is not 200. Blocks, as the simulator is another process. */
static inline char *test_sim_call(const struct test_sim *s, const char *method, const char *path,
                                  const char *body) {
    enum { MOST = 32 << 20 };
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->control)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        perror("control port");
        exit(1);
    }
    (void)dprintf(fd,
                  "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                  method, path, body ? strlen(body) : 0, body ? body : "");
    char *all = malloc(MOST);
    size_t n = 0;
    ssize_t got = 0;
    while (all && n < MOST - 1 && (got = read(fd, all + n, MOST - 1 - n)) > 0) {
        n += (size_t)got;
    }
    (void)close(fd);
    if (!all) {
        exit(1);
    }
    all[n] = '\0';
    char *content = strstr(all, "\r\n\r\n");
    if (strncmp(all, "HTTP/1.1 200", 12) != 0 || !content) {
        (void)fprintf(stderr, "%s %s: %s\n", method, path, all);
        exit(1);
    }
    memmove(all, content + 4, strlen(content + 4) + 1);
    return all;
}

static inline void test_sim_post(const struct test_sim *s, const char *path, const char *body) {
    free(test_sim_call(s, "POST", path, body));
}

/* A number of GET /stats, e.g. ("oauth", "max_streams"). */
static inline long test_sim_stat(const struct test_sim *s, const char *listener, const char *name) {
    char *text = test_sim_call(s, "GET", "/stats", NULL);
    cJSON *json = cJSON_Parse(text);
    const cJSON *item =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(json, listener), name);
    long value = cJSON_IsNumber(item) ? (long)item->valuedouble : -1;
    cJSON_Delete(json);
    free(text);
    return value;
}
