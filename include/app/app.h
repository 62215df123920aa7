#pragma once
/* The program behind main(): picks the command by its first word and runs it. */

/* Exit statuses of every command. */
enum app_exit {
    APP_OK = 0,
    APP_FAILED = 1, /* the work could not be done; said on standard error */
    APP_USAGE = 2,  /* wrong arguments or a wrong configuration */
};

/* Runs the command line and returns the exit status. */
int app_main(int argc, char **argv);
