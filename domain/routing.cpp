#include "domain/routing.hpp"
