// System calls and constants that Swift cannot import by itself.
#pragma once
#include <sys/epoll.h>
