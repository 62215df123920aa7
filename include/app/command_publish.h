#pragma once
/* tocsin publish: posts one alert to the newsroom. */

/* argv[0] is the command word; returns an enum app_exit. */
int command_publish(int argc, char **argv);
