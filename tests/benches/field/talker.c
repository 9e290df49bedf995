/* What writes, and what is measured beside it. The first argument says which:
 *   flood BYTES FIFO  so many bytes of numbered 100-byte lines in writes of 64 KiB, then the end
 *   chat MICROS FIFO  numbered 100-byte lines, one write each, without end, with a pause of so long after each (0: none)
 *   copy FILE         the floor of capture: from stdin to FILE with read(2) and write(2) of 64 KiB; says its CPU time
 *   echo              the floor of a query: sends back what comes on stdin, as a program on the other end of a socket
 *   nothing           the floor of a call: a program that begins and ends
 * FIFO is where the benchmark reads when the first line is about to be written. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 100, DIGITS = 12, BLOCK = 64 * 1024 };

static long long clock_ns(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void begin(const char *fifo) {
    char line[64];
    int told = open(fifo, O_WRONLY | O_CLOEXEC);
    int length = snprintf(line, sizeof line, "%lld %d\n", clock_ns(CLOCK_MONOTONIC), (int)getpid());
    if (told < 0 || write(told, line, length) != length)
        exit(2);
    close(told);
}

static void number(char *line, unsigned long long count) {
    for (int at = DIGITS - 1; at >= 0; at--, count /= 10)
        line[at] = (char)('0' + count % 10);
}

static void write_all(int to, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = write(to, bytes, length);
        if (written <= 0)
            exit(3);
        bytes += written;
        length -= (size_t)written;
    }
}

static void flood(unsigned long long bytes) {
    static char block[BLOCK + LINE];
    char line[LINE];
    memset(line, 'x', LINE);
    line[DIGITS] = ' ';
    line[LINE - 1] = '\n';
    size_t filled = 0;
    for (unsigned long long count = 0; count * LINE < bytes; count++) {
        number(line, count);
        memcpy(block + filled, line, LINE);
        filled += LINE;
        if (filled >= BLOCK) {
            write_all(1, block, BLOCK);
            filled -= BLOCK;
            memcpy(block, block + BLOCK, filled);
        }
    }
    write_all(1, block, filled);
}

static void chat(useconds_t pause) {
    char line[LINE];
    memset(line, 'x', LINE);
    line[DIGITS] = ' ';
    line[LINE - 1] = '\n';
    for (unsigned long long count = 0;; count++) {
        number(line, count);
        write_all(1, line, LINE);
        if (pause > 0)
            usleep(pause);
    }
}

static void copy(const char *file) {
    static char block[BLOCK];
    int to = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    ssize_t length;
    if (to < 0)
        exit(2);
    while ((length = read(0, block, BLOCK)) > 0)
        write_all(to, block, (size_t)length);
    if (length < 0)
        exit(3);
    printf("%lld\n", clock_ns(CLOCK_PROCESS_CPUTIME_ID));
}

static void echo(void) {
    char bytes[256];
    ssize_t length;
    while ((length = read(0, bytes, sizeof bytes)) > 0)
        write_all(0, bytes, (size_t)length);
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    if (!strcmp(what, "flood") && count == 4) {
        begin(arguments[3]);
        flood(strtoull(arguments[2], NULL, 10));
    } else if (!strcmp(what, "chat") && count == 4) {
        begin(arguments[3]);
        chat((useconds_t)atoi(arguments[2]));
    } else if (!strcmp(what, "copy") && count == 3) {
        copy(arguments[2]);
    } else if (!strcmp(what, "echo") && count == 2) {
        echo();
    } else if (strcmp(what, "nothing") || count != 2) {
        return 2;
    }
    return 0;
}
