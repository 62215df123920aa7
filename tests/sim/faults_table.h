/* FAULT(id, name, listeners, modes, help): the switches of POST /faults. `listeners` is a mask of
 * the providers that have it, `modes` the words allowed for "mode" (the first is the default).
 * No include guard: included several times on purpose. */

/* connections */
FAULT(F_DOWN, "down", ON_ALL, "keep|cut", "the port is closed; cut: open connections are reset too")
FAULT(F_REFUSE, "refuse", ON_ALL, "rst|fin",
      "accepts and ends the connection at once; value = only above so many open ones")
FAULT(F_CONNECT_RATE, "connect_rate", ON_ALL, "", "refuses more than value connections in ms")
FAULT(F_TLS, "tls", ON_ALL, "expired|wrong_name|untrusted|fail|no_alpn",
      "bad certificate, failing handshake, or no protocol chosen")
FAULT(F_TICKETS, "tickets", ON_ALL, "", "session tickets are given and taken")
FAULT(F_HANDSHAKE_DELAY, "handshake_delay", ON_ALL, "", "reads nothing for ms after accept")
FAULT(F_SETTINGS_DELAY, "settings_delay", ON_ALL, "", "sends nothing for ms after the handshake")
FAULT(F_HEADER_TABLE_ZERO, "header_table_zero", ON_ALL, "", "SETTINGS_HEADER_TABLE_SIZE 0")
FAULT(F_SMALL_WINDOW, "small_window", ON_ALL, "", "stream and connection window of value bytes")
FAULT(F_HOLD_WINDOW, "hold_window", ON_ALL, "",
      "credit of the connection window is given back ms later")
FAULT(F_STREAMS, "streams", ON_ALL, "",
      "advertises value streams in the first SETTINGS (APNs: when raised)")
FAULT(F_MCS_NEVER, "mcs_never", ON_APNS, "", "one stream for good")
FAULT(F_MCS_LATE, "mcs_late", ON_APNS, "", "the raise comes ms late")
FAULT(F_MCS_LOWER, "mcs_lower", ON_ALL, "", "SETTINGS with value streams in the middle of the load")
FAULT(F_PUNISH, "punish", ON_APNS, "",
      "an answer 4xx other than 410 brings SETTINGS 1, the next 200 restores")
FAULT(F_EXCESS_GOAWAY, "excess_goaway", ON_APNS, "",
      "too many streams bring GOAWAY instead of REFUSED_STREAM")
FAULT(F_GOAWAY, "goaway", ON_ALL, "graceful|middle|zero|silent|keep", "see README")
FAULT(F_SHUTDOWN, "shutdown", ON_APNS, "", "503 Shutdown, then GOAWAY")
FAULT(F_IDLE_GOAWAY, "idle_goaway", ON_ALL, "", "GOAWAY after ms without a request")
FAULT(F_CUT, "cut", ON_ALL, "rst|fin|close_notify|black_hole",
      "the connection ends without GOAWAY, or stays and says nothing")
FAULT(F_NO_PING_ACK, "no_ping_ack", ON_ALL, "", "PING is not answered")
FAULT(F_TOO_MANY_PINGS, "too_many_pings", ON_ALL, "",
      "more than value PINGs in ms: GOAWAY ENHANCE_YOUR_CALM")

/* requests */
FAULT(F_LATENCY, "latency", ON_ALL, "",
      "answers come ms..max_ms later, a share tail_probability after tail_ms")
FAULT(F_RST_STREAM, "rst_stream", ON_ALL, "refused|cancel|internal|closed",
      "RST_STREAM; stage before or after_headers")
FAULT(F_NEVER_ANSWER, "never_answer", ON_ALL, "",
      "no answer at all; accepted = counted in the ledger all the same")
FAULT(F_ANSWER, "answer", ON_ALL, "", "this answer instead of the right one; see README")
FAULT(F_SPLIT_BODY, "split_body", ON_ALL, "segment|bytes",
      "body in another TCP segment, or DATA frames of one byte")
FAULT(F_EXTRA_HEADERS, "extra_headers", ON_ALL, "",
      "unknown response headers and padded DATA frames")

/* APNs */
FAULT(F_JWT_EXPIRED, "jwt_expired", ON_APNS, "",
      "the token expires in flight: 403, SETTINGS 1, open streams reset, connection useless")
FAULT(F_ACCEPT_DER, "accept_der", ON_APNS, "", "ASN.1 signatures pass as well")
FAULT(F_AUTH_FIRST, "auth_first", ON_APNS, "", "authentication is checked before the headers")
FAULT(F_DEVELOPMENT, "development", ON_APNS, "", "adds apns-unique-id")
FAULT(F_UPDATES_BY_ADDRESS, "updates_by_address", ON_APNS, "",
      "token updates are counted per source address: more than value distinct ones in ms")
FAULT(F_TOKEN_RATE, "token_rate", ON_APNS, "",
      "more than value pushes in ms to one token: TooManyRequests")

/* FCM and OAuth */
FAULT(F_QUOTA, "quota", ON_FCM, "", "project bucket of value messages in ms, then 429")
FAULT(F_EXPIRE_BEARERS, "expire_bearers", ON_FCM, "",
      "all access tokens issued so far are expired when this is posted")
FAULT(F_ACCEPT_THEN_503, "accept_then_503", ON_FCM, "", "delivered and counted, yet answered 503")
FAULT(F_DETAILS, "details", ON_FCM, "shuffled|missing", "error details in another order, or none")
FAULT(F_EXPIRES_IN, "expires_in", ON_OAUTH, "", "access tokens live value seconds")
