#pragma once

#include <string>

namespace weir::net {

/// Takes what OpenSSL has noted on this thread since the last call.
/// @return its last reason, for a person; "" when there is none
[[nodiscard]] std::string take_tls_error();

}  // namespace weir::net
