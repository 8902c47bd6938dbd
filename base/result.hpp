#pragma once

#include "base/sqlstate.hpp"

#include <tl/expected.hpp>

#include <cstdint>
#include <string_view>
#include <utility>

namespace weir {

/// Who or what is at fault; decides the path an error takes (ARCHITECTURE.md, "Errors").
enum class ErrorCode : std::uint8_t {
    ProtocolViolation,     ///< bytes that are not PostgreSQL's protocol; framing may be lost
    MessageTooLarge,       ///< well-formed, above a limit
    AuthenticationFailed,  ///< a proof did not hold
    Unsupported,           ///< a request the peer may make and we do not serve
    Network,         ///< the operating system's or the peer's doing; `detail` is the errno or UV_E*
    Timeout,         ///< a deadline passed
    Closed,          ///< the peer closed in an orderly way
    Rejected,        ///< a limit or a setting says no
    BackendRefused,  ///< PostgreSQL itself answered with an error
    InvalidArgument,  ///< a value somebody configured or typed
};

/// A small error that owns nothing: what happened, the SQLSTATE a client would be told, a literal
/// and one number.
///
/// Text for people is composed where it is shown.
class Error {
public:
    /// @param what a string literal (it is kept by address)
    /// @param detail errno or UV_E* for Network, else free
    template <std::size_t N>
    constexpr Error(ErrorCode code, SqlState sqlstate, const char (&what)[N], int detail = 0)
        : what_{what}, sqlstate_{sqlstate}, detail_{detail}, code_{code} {}

    [[nodiscard]] constexpr ErrorCode code() const { return code_; }

    [[nodiscard]] constexpr SqlState sqlstate() const { return sqlstate_; }

    [[nodiscard]] constexpr std::string_view what() const { return what_; }

    [[nodiscard]] constexpr int detail() const { return detail_; }

private:
    const char* what_;
    SqlState sqlstate_;
    int detail_;
    ErrorCode code_;
};

/// tl::expected whose type is [[nodiscard]]; the only place that names the library.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
public:
    using tl::expected<T, Error>::expected;
};

/// The same where the error has text of its own: off the data path.
template <class T, class E>
class [[nodiscard]] Expected : public tl::expected<T, E> {
public:
    using tl::expected<T, E>::expected;
};

/// Makes the failing arm of an Expected.
template <class E>
[[nodiscard]] tl::unexpected<E> failed(E error) {
    return tl::unexpected<E>{std::move(error)};
}

/// Makes the failing arm of a Result: `return fail(ErrorCode::Timeout, sqlstate::kCannotConnectNow,
/// "…")`.
template <std::size_t N>
[[nodiscard]] constexpr tl::unexpected<Error> fail(ErrorCode code,
                                                   SqlState sqlstate,
                                                   const char (&what)[N],
                                                   int detail = 0) {
    return tl::unexpected<Error>{Error{code, sqlstate, what, detail}};
}

[[nodiscard]] inline tl::unexpected<Error> fail(const Error& error) {
    return tl::unexpected<Error>{error};
}

static_assert(sizeof(Result<int>) <= 32, "results travel in registers and small frames");

}  // namespace weir
