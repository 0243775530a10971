#include "domain/delivery.hpp"
