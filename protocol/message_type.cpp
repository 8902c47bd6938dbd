#include "protocol/message_type.hpp"
namespace weir::protocol {}
