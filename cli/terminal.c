/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/terminal.c - what the output goes to: how wide, how colourful
 */
#include "terminal.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_WIDTH 80
#define REDRAW_NS 100000000u

static size_t width_of(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    const char *columns = getenv("COLUMNS");
    const unsigned long width = columns ? strtoul(columns, NULL, 10) : 0;
    return width > 0 && width < 10000 ? (size_t)width : DEFAULT_WIDTH;
}

struct terminal terminal_of_stdout(void)
{
    struct terminal terminal = {0, false};
    if (isatty(STDOUT_FILENO)) {
        const char *no_color = getenv("NO_COLOR");
        terminal.width = width_of(STDOUT_FILENO);
        terminal.colour = !no_color || !*no_color;
    }
    return terminal;
}

const char *terminal_begin(const struct terminal *terminal, enum tone tone)
{
    static const char *const codes[] = {
        [TONE_PLAIN] = "",        [TONE_GOOD] = "\033[32m",
        [TONE_ODD] = "\033[33m",  [TONE_BAD] = "\033[31m",
        [TONE_FAINT] = "\033[2m",
    };
    return terminal->colour ? codes[tone] : "";
}

const char *terminal_end(const struct terminal *terminal, enum tone tone)
{
    return terminal->colour && tone != TONE_PLAIN ? "\033[0m" : "";
}

/* ---- progress ---------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void progress_begin(struct progress *progress)
{
    progress->shown = isatty(STDERR_FILENO);
    progress->width = progress->shown ? width_of(STDERR_FILENO) : 0;
    progress->start_ns = now_ns();
    progress->drawn_ns = 0;
}

/* "[####----]  45%  1.2 GiB of 2.6 GiB  900.0 MiB/s", cut to the width. */
static void draw(const struct progress *progress, uint64_t done, uint64_t total)
{
    char amount[TEXT_SHORT_MAX], whole[TEXT_SHORT_MAX], speed[TEXT_SHORT_MAX];
    char bar[31] = "";
    char line[256];
    const double part = total ? (double)done / (double)total : 0;
    const double seconds = (double)(now_ns() - progress->start_ns) / 1e9;
    const double rate = seconds > 0 ? (double)done / seconds : 0;
    const size_t full = part < 1 ? (size_t)(part * 30) : 30;

    memset(bar, '-', 30);
    memset(bar, '#', full);
    text_size(amount, done);
    text_size(speed, (uint64_t)rate);
    if (total) {
        snprintf(line, sizeof line, "[%s] %3.0f%%  %s of %s  %s/s", bar,
                 part < 1 ? part * 100 : 100, amount, text_size(whole, total),
                 speed);
    } else {
        snprintf(line, sizeof line, "%s  %s/s", amount, speed);
    }
    fprintf(stderr, "\r\033[K%.*s", (int)text_fit(line, progress->width - 1),
            line);
    fflush(stderr);
}

void progress_update(struct progress *progress, uint64_t done_bytes,
                     uint64_t total_bytes)
{
    if (!progress->shown) {
        return;
    }
    const uint64_t now = now_ns();
    if (!progress->drawn_ns || now - progress->drawn_ns >= REDRAW_NS) {
        draw(progress, done_bytes, total_bytes);
        progress->drawn_ns = now;
    }
}

void progress_clear(struct progress *progress)
{
    if (progress->drawn_ns) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress->drawn_ns = 0;
    }
}
