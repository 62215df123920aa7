#pragma once
/* `tocsin drafts`: what is not sent yet, and taking it back. */

/* Returns an enum app_exit. */
int command_drafts(int argc, char **argv);
