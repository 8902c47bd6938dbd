#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace weir::admin {

/// Posts JSON to HTTP servers, one at a time, by libcurl: TLS with names and certificates checked,
/// chunks and the like are not for us to get right. No redirects, no proxies, http and https only;
/// what is answered is not kept.
///
/// @thread post(): one; give_up(): any
class HttpPoster {
public:
    HttpPoster();
    HttpPoster(const HttpPoster&) = delete;
    HttpPoster& operator=(const HttpPoster&) = delete;
    HttpPoster(HttpPoster&&) = delete;
    HttpPoster& operator=(HttpPoster&&) = delete;
    ~HttpPoster();

    /// Blocks for `limit` at most, looking up the name included.
    /// @return "" when the server has answered 2xx, else why not; nothing of the URL is in it
    [[nodiscard]] std::string post(const std::string& url,
                                   const std::string& body,
                                   std::chrono::milliseconds limit);

    /// Ends what is under way, and whatever would come.
    void give_up();

private:
    struct State;  ///< libcurl's
    std::unique_ptr<State> state_;
};

}  // namespace weir::admin
