#include "app/newsroom_call.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/app.h"
#include "app/http_call.h"

void newsroom_call_print(struct str json) {
    (void)printf("%.*s\n", STR_ARG(json));
}

int newsroom_call(const struct newsroom_call *call, const char *path, const char *body,
                  void show(struct str json)) {
    const struct config *cfg = call->cfg;
    char *key = http_call_key(call->command, call->key_file);
    if (!key) {
        return APP_FAILED;
    }
    char *url = http_call_url(call->newsroom, cfg->newsroom_listen, cfg->newsroom_tls_listen, path);
    const struct http_call request = {.url = url,
                                      .ca_file = cfg->tls_ca_file,
                                      .key = key,
                                      .is_idempotent = true,
                                      .body = body ? str_of(body) : (struct str){NULL, 0}};
    struct http_reply reply;
    bool ok = http_call(&request, &reply) == ERR_OK && reply.status == 200;
    if (ok) {
        show(buf_str(&reply.body));
    } else {
        http_reply_complain(call->command, url, &reply);
    }
    http_reply_finish(&reply);
    free(url);
    free(key);
    return ok ? APP_OK : APP_FAILED;
}
