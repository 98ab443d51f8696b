// c-ares as Swift sees it: its public header.
#include <ares.h>
