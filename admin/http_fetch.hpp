#pragma once

#include "base/clock.hpp"
#include "base/endpoint.hpp"

#include <cstddef>
#include <string>

namespace weir::admin {

/// More of an answer is not read: it would be that of thousands of pools, each with much to say.
inline constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20U;

/// What an HTTP server answered.
struct HttpReply {
    int status = 0;
    std::string body;
    std::string problem;  ///< why there is no whole answer; "" = there is one
};

/// Asks an HTTP server for one page. CivetWeb's client would wait for the end of a body without a
/// limit, hence this one.
///
/// @param server a TCP address
/// @param headers lines, each with its "\r\n"
/// @param limit for all of it, but for looking up a name
/// @thread any; blocks for `limit` at most
[[nodiscard]] HttpReply http_get(const Endpoint& server,
                                 const std::string& path,
                                 const std::string& headers,
                                 Duration limit);

}  // namespace weir::admin
