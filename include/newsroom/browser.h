#pragma once
/* What a browser brings along by itself, and what tells our console from other people's pages: the
 * session cookie, and proof that the page is ours (OWASP: synchroniser token, Fetch metadata). */
#include <stdbool.h>

#include "net/http_server.h"

/* 256 random bits as base64url, and a digest alike. */
enum { BROWSER_TOKEN_BYTES = 44 };

/* The token of the session cookie; p == NULL without one. */
struct str browser_session(const struct http_request *rq);
/* Sets the cookie in the coming answer, or clears it (NULL). HttpOnly, SameSite=Strict; over TLS,
 * also that of a proxy (X-Forwarded-Proto), Secure and bound to this very host (__Host-). */
void browser_set_session(struct http_request *rq, const char *token);

/* What the page must send along with everything but GET and HEAD: a digest of the session's token,
 * which only a page that could read /v1/session knows. */
void browser_make_csrf(struct str session, char out_csrf[BROWSER_TOKEN_BYTES]);
/* False when the browser says that a page of another site sent it: Sec-Fetch-Site, else Origin,
 * which must be the Host. True when it says nothing. */
bool browser_is_same_site(const struct http_request *rq);
/* False when a call with this session's cookie may come from somebody else's page. */
bool browser_may_call(const struct http_request *rq, struct str session);
