#pragma once
/* tocsin check-config: says all that is wrong with the configuration, or prints it. */

/* argv[0] is the command word; returns an enum app_exit. */
int command_check_config(int argc, char **argv);
