#pragma once
/* tocsin key create|list|revoke: newsroom API keys. */

/* argv[0] is the command word; returns an enum app_exit. */
int command_key(int argc, char **argv);
