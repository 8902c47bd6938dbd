#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

/// What clients say, for the messages the proxy must understand. Every reader takes a message's
/// BODY (without type and length) and returns a view that points into it and dies with it. Counts
/// are compared with the bytes that are there before memory is reserved for them.
///
/// @errors ProtocolViolation (08P01) for a body that is too short, too long or not terminated; the
///         framing is intact, so the session may go on after an ErrorResponse as PostgreSQL's does
/// @source PostgreSQL 15 manual, "Message Formats"
namespace weir::protocol {

struct QueryView {
    std::string_view sql;
};

[[nodiscard]] Result<QueryView> read_query(ByteView body);

struct ParseView {
    std::string_view name;  ///< "" = the unnamed statement
    std::string_view sql;
    std::vector<std::uint32_t> parameter_types;  ///< OIDs; 0 = unspecified
};

[[nodiscard]] Result<ParseView> read_parse(ByteView body);

struct BindView {
    std::string_view portal;     ///< "" = the unnamed portal
    std::string_view statement;  ///< "" = the unnamed statement
    /// 0 = text, 1 = binary; none at all = everything is text, a single one = for all.
    std::vector<std::uint16_t> parameter_formats;
    std::vector<std::optional<ByteView>> parameters;  ///< nothing = NULL
    std::vector<std::uint16_t> result_formats;        ///< as parameter_formats
};

[[nodiscard]] Result<BindView> read_bind(ByteView body);

/// The beginning of a Bind.
struct BindNames {
    std::string_view portal;
    std::string_view statement;
    ByteView values;  ///< what follows, unchecked: parameters, and all formats
};

/// The same as read_bind(), where what follows the names is perhaps not needed: nothing is
/// allocated.
[[nodiscard]] Result<BindNames> read_bind_names(ByteView body);

struct BindValues {
    std::vector<std::uint16_t> parameter_formats;     ///< as in BindView
    std::vector<std::optional<ByteView>> parameters;  ///< nothing = NULL
    std::vector<std::uint16_t> result_formats;        ///< as in BindView
};

/// @param values of BindNames
[[nodiscard]] Result<BindValues> read_bind_values(ByteView values);

struct DescribeView {
    char kind = 'S';  ///< 'S' (prepared statement) or 'P' (portal), nothing else
    std::string_view name;
};

[[nodiscard]] Result<DescribeView> read_describe(ByteView body);

struct ExecuteView {
    std::string_view portal;
    std::uint32_t max_rows = 0;  ///< 0 = all
};

[[nodiscard]] Result<ExecuteView> read_execute(ByteView body);

struct CloseView {
    char kind = 'S';  ///< 'S' (prepared statement) or 'P' (portal), nothing else
    std::string_view name;
};

[[nodiscard]] Result<CloseView> read_close(ByteView body);

struct SaslInitialView {
    std::string_view mechanism;
    std::string_view data;  ///< "" also when the client sent none (length -1)
};

/// A SASLResponse after it has no structure: its body is the data.
[[nodiscard]] Result<SaslInitialView> read_sasl_initial(ByteView body);

/// @return the text of a PasswordMessage: the password, or "md5" and 32 digits
[[nodiscard]] Result<std::string_view> read_password(ByteView body);

}  // namespace weir::protocol
