#pragma once
/* tocsin preview: asks the newsroom whom an alert would reach. */

/* argv[0] is the command word; returns an enum app_exit. */
int command_preview(int argc, char **argv);
