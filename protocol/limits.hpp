#pragma once

#include <cstddef>

/// Every maximum of the wire protocol, with the source of its number. A limit of PostgreSQL's is
/// never undercut: what a backend would accept must pass.
namespace weir::protocol {

/// What follows the length field of a startup packet: MAX_STARTUP_PACKET_LENGTH in PostgreSQL's
/// libpq/pqcomm.h, which is compared after the four bytes of the length are taken off.
inline constexpr std::size_t kMaxStartupBytes = 10000;

/// A message's length field is a signed 32-bit number that counts itself; nothing above it can be
/// said at all.
inline constexpr std::size_t kMaxMessageBytes = 0x7fffffff;

/// A password, SASL or GSS response before login: PG_MAX_AUTH_TOKEN_LENGTH in PostgreSQL's
/// libpq/auth.h.
inline constexpr std::size_t kMaxAuthMessageBytes = 65535;

/// The cancel secret of protocol 3.0, which is also the shortest one of 3.2.
inline constexpr std::size_t kMinCancelSecretBytes = 4;

/// The longest cancel secret of protocol 3.2: PostgreSQL 18 manual, "Message Formats",
/// BackendKeyData.
inline constexpr std::size_t kMaxCancelSecretBytes = 256;

/// An ErrorResponse that we look into. PostgreSQL puts the statement and its context into some;
/// longer ones can pass unread, at the price of not knowing their SQLSTATE.
inline constexpr std::size_t kMaxErrorBytes = std::size_t{64} * 1024;

/// A ParameterStatus: reported settings are short words. PostgreSQL 18's search_path is the only
/// one that can grow, and a session keeps a copy of each.
inline constexpr std::size_t kMaxParameterBytes = std::size_t{64} * 1024;

/// Name/value pairs in a startup packet, repeated ones included. PostgreSQL knows about 350
/// settings and drivers send fewer than ten; 10000 bytes could hold 3333 pairs, and each costs a
/// look-up.
inline constexpr std::size_t kMaxStartupParameters = 256;

/// PBKDF2 rounds we are willing to do for, or announce to, a peer. PostgreSQL's default is 4096,
/// OWASP asks for 600,000; ten million are some six seconds of one background thread, and a hostile
/// backend must not get more.
inline constexpr unsigned kMaxScramIterations = 10'000'000;

/// The salt of a SCRAM exchange; PostgreSQL uses 16 bytes.
inline constexpr std::size_t kMaxScramSaltBytes = 1024;

static_assert(kMaxStartupBytes < kMaxMessageBytes && kMaxAuthMessageBytes < kMaxMessageBytes);
static_assert(kMinCancelSecretBytes <= kMaxCancelSecretBytes);

}  // namespace weir::protocol
