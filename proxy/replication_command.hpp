#pragma once

#include "base/bytes.hpp"
#include "protocol/frame.hpp"

namespace weir::proxy {

/// @param rest begins with the message, as much of it as there is
/// @return whether it is a whole Query with one command of the replication protocol, and not SQL
[[nodiscard]] bool is_replication_command(const protocol::FrameHeader& header, ByteView rest);

}  // namespace weir::proxy
