#include "admin/http_post.hpp"

#include <curl/curl.h>

#include <atomic>
#include <cstddef>
#include <string_view>
#include <utility>

namespace weir::admin {

namespace {

template <auto free_it>
struct Free {
    template <class T>
    void operator()(T* handle) const {
        static_cast<void>(free_it(handle));
    }
};

using Easy = std::unique_ptr<CURL, Free<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, Free<curl_multi_cleanup>>;
using Lines = std::unique_ptr<curl_slist, Free<curl_slist_free_all>>;

constexpr std::string_view kGivenUp = "given up";
constexpr std::string_view kNoMemory = "out of memory";

/// libcurl's own way of ignoring a body is to print it.
std::size_t ignore(const char* /*bytes*/, std::size_t size, std::size_t count, void* /*user*/) {
    return size * count;
}

Lines header_lines() {
    Lines lines;
    for (const char* line : {"Content-Type: application/json", "Expect:"}) {
        curl_slist* longer = curl_slist_append(lines.get(), line);
        if (longer == nullptr) {
            return nullptr;
        }
        static_cast<void>(lines.release());
        lines.reset(longer);
    }
    return lines;
}

/// @return whether libcurl took all of them: half of them would be another request
template <class... Values>
bool set_all(CURL* request, std::pair<CURLoption, Values>... options) {
    return ((curl_easy_setopt(request, options.first, options.second) == CURLE_OK) && ...);
}

bool prepare(CURL* request,
             const std::string& url,
             const std::string& body,
             const curl_slist* headers,
             std::chrono::milliseconds limit) {
    using std::pair;
    constexpr long kYes = 1;
    constexpr long kOff = 0;
    return set_all(request,
                   pair{CURLOPT_URL, url.c_str()},
                   pair{CURLOPT_PROTOCOLS_STR, "http,https"},
                   pair{CURLOPT_FOLLOWLOCATION, kOff},
                   pair{CURLOPT_PROXY, ""},
                   pair{CURLOPT_NOSIGNAL, kYes},
                   pair{CURLOPT_QUICK_EXIT, kYes},  // not to wait for a name server
                   pair{CURLOPT_USERAGENT, "weir"},
                   pair{CURLOPT_HTTPHEADER, headers},
                   pair{CURLOPT_POSTFIELDS, body.c_str()},
                   pair{CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size())},
                   pair{CURLOPT_WRITEFUNCTION, &ignore},
                   pair{CURLOPT_TIMEOUT_MS, static_cast<long>(limit.count())});
}

/// @return why a request that libcurl has ended was none that was taken, or ""
std::string problem_of(CURL* request, CURLcode result) {
    if (result != CURLE_OK) {
        return curl_easy_strerror(result);
    }
    constexpr long kFine = 200;
    constexpr long kRedirect = 300;
    long status = 0;
    curl_easy_getinfo(request, CURLINFO_RESPONSE_CODE, &status);
    return status >= kFine && status < kRedirect ? "" : "HTTP status " + std::to_string(status);
}

}  // namespace

struct HttpPoster::State {
    Multi multi;
    std::atomic<bool> is_given_up{false};

    [[nodiscard]] std::string run(CURL* request) const;
};

/// Runs what is in `multi` to its end.
std::string HttpPoster::State::run(CURL* request) const {
    constexpr int kPollMs = 1000;  // libcurl wakes earlier for its own deadlines
    while (!is_given_up.load()) {
        int running = 0;
        if (curl_multi_perform(multi.get(), &running) != CURLM_OK) {
            return "libcurl failed";
        }
        int left = 0;
        const CURLMsg* message = curl_multi_info_read(multi.get(), &left);
        if (message != nullptr && message->msg == CURLMSG_DONE) {
            return problem_of(request, message->data.result);
        }
        if (curl_multi_poll(multi.get(), nullptr, 0, kPollMs, nullptr) != CURLM_OK) {
            return "libcurl failed";
        }
    }
    return std::string{kGivenUp};
}

HttpPoster::HttpPoster() : state_{std::make_unique<State>()} {
    static const CURLcode kStarted = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (kStarted == CURLE_OK) {
        state_->multi.reset(curl_multi_init());
    }
}

HttpPoster::~HttpPoster() = default;

std::string HttpPoster::post(const std::string& url,
                             const std::string& body,
                             std::chrono::milliseconds limit) {
    const Lines headers = header_lines();
    const Easy request{curl_easy_init()};
    if (state_->multi == nullptr || headers == nullptr || request == nullptr) {
        return std::string{kNoMemory};
    }
    if (!prepare(request.get(), url, body, headers.get(), limit)) {
        return "libcurl does not take the request";
    }
    if (curl_multi_add_handle(state_->multi.get(), request.get()) != CURLM_OK) {
        return std::string{kNoMemory};
    }
    std::string problem = state_->run(request.get());
    curl_multi_remove_handle(state_->multi.get(), request.get());
    return problem;
}

void HttpPoster::give_up() {
    state_->is_given_up.store(true);
    if (state_->multi != nullptr) {
        curl_multi_wakeup(state_->multi.get());
    }
}

}  // namespace weir::admin
