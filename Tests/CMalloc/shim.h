// What malloc knows of itself; Swift's own map of libc leaves it out.
#include <malloc.h>
