#pragma once
/* tocsin listen: follows a filter live in the terminal. */

/* argv[0] is the command word; returns an enum app_exit. */
int command_listen(int argc, char **argv);
