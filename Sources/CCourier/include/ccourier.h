// The libraries that the courier alone uses, loaded when it starts: the relay's process never maps
// them, and a machine without them can run all but the courier.
#pragma once
#include "ccurl.h"
#include "csqlite.h"
