#include "domain/conversation.hpp"
