#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir::proxy {

/// What is known about a client before it has proven anything: where it comes from, how, and what
/// it asks for. Gathered when its startup packet has been read; plain values, no secrets.
struct ClientFacts {
    /// Physical: the whole server's WAL (replication=true); Logical: one database's
    /// (replication=database).
    enum class Replication : std::uint8_t { None, Physical, Logical };

    std::string
        address;  ///< numeric; "unix" for a unix socket; a balancer's word where it is taken
    int port = 0;
    bool is_unix = false;
    bool is_tls = false;
    /// The client has shown a certificate that a CA of [tls.client] has signed.
    bool has_certificate = false;
    std::string certificate_name;  ///< that certificate's common name; "" = none
    /// TLS: the hash of our certificate that SCRAM can be bound to (tls-server-end-point);
    /// empty = none
    std::vector<std::byte> end_point;
    /// It is this process itself, over a connection that it has made: nobody else has an end of it.
    bool is_own = false;
    std::optional<uid_t> peer_uid;  ///< unix sockets: whose process it is, as the kernel says

    std::string database;  ///< as the client calls it
    std::string user;
    Replication replication = Replication::None;
};

}  // namespace weir::proxy
