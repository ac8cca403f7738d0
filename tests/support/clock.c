/* A clock that a test moves: adds the seconds in the file $LOOPD_TEST_CLOCK to the wall clock of a process. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int answer = real(id, now);
    const char *path = getenv("LOOPD_TEST_CLOCK");
    if (answer == 0 && path && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        char text[32] = {0};
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            if (read(file, text, sizeof text - 1) > 0)
                now->tv_sec += atol(text);
            close(file);
        }
    }
    return answer;
}
