#include "domain/list_feed.hpp"
