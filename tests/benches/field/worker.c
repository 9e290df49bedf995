/* A component that does nothing: it says when its main() began and who it is, and waits to be ended.
 * Its one argument is the FIFO that the benchmark reads; what it writes to stdout is what a supervisor captures. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **arguments) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char line[64];
    int length = snprintf(line, sizeof line, "%lld %d\n", (long long)now.tv_sec * 1000000000LL + now.tv_nsec,
                          (int)getpid());
    int told = open(arguments[count - 1], O_WRONLY | O_CLOEXEC);
    if (told < 0 || write(told, line, length) != length || write(1, line, length) != length)
        return 1;
    close(told);
    for (;;)
        pause();
}
