#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

/// A five-character SQLSTATE, packed into four bytes (six bits a character).
///
/// @source PostgreSQL 15 manual, appendix A "PostgreSQL Error Codes"
class SqlState {
public:
    constexpr SqlState() = default;

    /// @param text exactly five characters out of 0-9 and A-Z, e.g. SqlState{"08P01"}
    consteval explicit SqlState(const char (&text)[6]) : packed_{pack(std::string_view{text, 5})} {}

    /// @return nothing when `text` (from the wire) is not five characters out of 0-9 and A-Z
    [[nodiscard]] static std::optional<SqlState> parse(std::string_view text);

    /// @return the five characters, e.g. "08P01"
    [[nodiscard]] std::string text() const;

    /// @return the class, the first two characters, e.g. "08": the label of
    /// weir_statement_errors_total
    [[nodiscard]] std::string class_text() const { return text().substr(0, 2); }

    constexpr bool operator==(const SqlState&) const = default;

private:
    static constexpr std::uint32_t digit(char c) {
        return (c >= '0' && c <= '9') ? static_cast<std::uint32_t>(c - '0')
                                      : static_cast<std::uint32_t>(c - 'A') + 10U;
    }

    static constexpr std::uint32_t pack(std::string_view text) {
        std::uint32_t packed = 0;
        for (const char c : text) {
            packed = (packed << 6U) | digit(c);
        }
        return packed;
    }

    std::uint32_t packed_ = 0;
};

/// The SQLSTATEs Weir itself sends, named as PostgreSQL's appendix A names them.
namespace sqlstate {
inline constexpr SqlState kSuccessfulCompletion{"00000"};
inline constexpr SqlState kWarning{"01000"};
inline constexpr SqlState kConnectionFailure{"08006"};
inline constexpr SqlState kProtocolViolation{"08P01"};
inline constexpr SqlState kFeatureNotSupported{"0A000"};
inline constexpr SqlState kCharacterNotInRepertoire{"22021"};
inline constexpr SqlState kInvalidParameterValue{"22023"};
inline constexpr SqlState kInvalidAuthorizationSpecification{"28000"};
inline constexpr SqlState kInvalidSqlStatementName{"26000"};
inline constexpr SqlState kInvalidPassword{"28P01"};
inline constexpr SqlState kCheckViolation{"23514"};
inline constexpr SqlState kActiveTransaction{"25001"};
inline constexpr SqlState kReadOnlySqlTransaction{"25006"};
inline constexpr SqlState kIdleInTransactionTimeout{"25P03"};
inline constexpr SqlState kTransactionTimeout{"25P04"};
inline constexpr SqlState kInvalidCatalogName{"3D000"};
inline constexpr SqlState kSerializationFailure{"40001"};
inline constexpr SqlState kDeadlockDetected{"40P01"};
inline constexpr SqlState kInsufficientPrivilege{"42501"};
inline constexpr SqlState kSyntaxError{"42601"};
inline constexpr SqlState kUndefinedObject{"42704"};
inline constexpr SqlState kTooManyConnections{"53300"};
inline constexpr SqlState kConfigurationLimitExceeded{"53400"};
inline constexpr SqlState kObjectNotInPrerequisiteState{"55000"};
inline constexpr SqlState kCantChangeRuntimeParam{"55P02"};
inline constexpr SqlState kDuplicatePreparedStatement{"42P05"};
inline constexpr SqlState kProgramLimitExceeded{"54000"};
inline constexpr SqlState kAdminShutdown{"57P01"};
inline constexpr SqlState kCannotConnectNow{"57P03"};
inline constexpr SqlState kIdleSessionTimeout{"57P05"};
inline constexpr SqlState kQueryCanceled{"57014"};
inline constexpr SqlState kConfigFileError{"F0000"};
inline constexpr SqlState kInternalError{"XX000"};
}  // namespace sqlstate

/// @return whether a statement that fails with it was hindered rather than wrong: the connection,
/// the server's resources, its operators or its own faults. Not a cancel: that may be its client's.
[[nodiscard]] bool is_server_trouble(SqlState sqlstate);

}  // namespace weir
