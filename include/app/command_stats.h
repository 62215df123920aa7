#pragma once
/* tocsin stats: what became of an alert. */

/* argv[0] is the command word; returns an enum app_exit. */
int command_stats(int argc, char **argv);
