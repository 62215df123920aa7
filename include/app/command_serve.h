#pragma once
/* tocsin serve: the supervisor and its workers. */

/* argv[0] is the command word; returns an enum app_exit. */
int command_serve(int argc, char **argv);
