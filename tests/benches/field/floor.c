/* The floor: the least that anybody must do to keep N processes running, posix_spawn and sigwaitinfo and nothing else.
 * No log, no control channel, no policy, no trees. Arguments: N, the program, its argument, where its output goes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int count, char **arguments) {
    if (count != 5)
        return 2;
    sigset_t child, none;
    sigemptyset(&none);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, 0);
    int output = open(arguments[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    char *line[] = {arguments[2], arguments[3], 0};
    pid_t pid;
    for (int left = atoi(arguments[1]); left > 0; left--)
        if (posix_spawn(&pid, arguments[2], &actions, &attributes, line, environ))
            return 1;
    for (;;) {
        siginfo_t why;
        int status;
        sigwaitinfo(&child, &why);
        while (waitpid(-1, &status, WNOHANG) > 0)
            if (posix_spawn(&pid, arguments[2], &actions, &attributes, line, environ))
                return 1;
    }
}
