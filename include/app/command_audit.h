#pragma once
/* tocsin audit list|verify: who did what, read from Redis itself. */

/* argv[0] is the command word; returns an enum app_exit. */
int command_audit(int argc, char **argv);
