#pragma once
/* `tocsin abort` and `tocsin push`: what the newsroom stops, over its API. Exit codes of app.h. */
int command_abort(int argc, char **argv);
int command_push(int argc, char **argv);
