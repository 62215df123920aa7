/* Tocsin, a breaking-news push service. One binary; the first word picks the command (app/app.c).
 *
 * An alert's way through the source, and the map of it. Arrows point down only; the layer test
 * (tests/tools/check_source.sh) enforces it.
 *
 *   main      this file
 *   app/      the commands; `serve` supervises worker processes by role, and the embedded Redis
 *   newsroom/ role: POST /v1/alerts and all that editors and operators ask, on a private listener
 *   gateway/  role: WebSocket, SSE, long-poll, device registration, on the public listener
 *   push/     role dispatcher: plans an alert into jobs and pushes them over APNs and FCM
 *   render/   what a phone is told: the payloads, for the preview and the send
 *   store/    what is kept in Redis: the log, alerts, keys, devices, the push queue; and the bus
 *   net/      HTTP/1.1 server, HTTP/2 client, the accept loop
 *   auth/     API keys, JWT
 *   model/    alert, filter, device, taxonomy, position: plain data, validation, JSON in and out
 *   base/     strings, buffers, log, metrics, configuration
 *
 *   POST -> newsroom/ -> model/alert -> store/alert_store, one atomic script:
 *             log      -> store/bus -> gateway/ -> readers
 *             the plan -> store/push_queue -> push/ -> providers -> phones
 *
 * The roles never include each other: they meet in Redis. A process is one thread and one libuv
 * loop; callbacks never block. */
#include "app/app.h"

int main(int argc, char **argv) {
    return app_main(argc, argv);
}
