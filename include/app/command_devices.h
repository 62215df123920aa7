#pragma once
/* tocsin devices import|export: the device registry as NDJSON. */

/* argv[0] is the command word; returns an enum app_exit. */
int command_devices(int argc, char **argv);
