//! What the tests of this room share. The keys were made by OpenSSL and are used nowhere else.

use super::principal::Principal;
use crate::schema::{Audience, EntityRule, Event, Kind, Place};

/// A secret of 32 bytes.
pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// RSA, 2048 bits, PKCS#8.
pub(super) const RSA_PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQC/QhZx7WvPtg6z
Zr/z2jW2/CCuCiiSX0Tm0ENZXsu6iBmZfqz/xH9GU5nrLxLlWAuwfqzp7SwAVKV2
P7CEf3Sv9xASz1KZcQ7HUuUjuypCbVyxMIcFcakRvTEMlgfaw72NAhBakUd+1i9B
4bexmaW/HOdR5a/KeIFDqYiBBlykfSsbUIn1AItjqEueQR4P6dVBErrzUsQstXp0
VpSDFFYsWKLZY4vYN7ITiDovPPekwMsUogR6FODj/34TCrRkU6+U0D/Vo9cDxkIR
r5aOkoQ/9je0Jww65Po+FSpVwLillhYua4xCpxygovWz6Bgyk81RfVzkbp5d+GKA
r6JVc8qpAgMBAAECggEAQ3kcsv+YD9TCFe9zW6OJXK9RFiU2UAE1LRqfD/nd9MYM
BfdHMApR/m0C+ZIHYAqyQQdHmFVYNxulrfRlITFX6LZIIOKsWL6mgJJRjUv76ihr
0YT1tWl2RHBSzAZn6fkxN3xZaaIkL25/iIYJiKnUa/pV7zIRVOQzcjvukNo+N7bl
qdvPxbUz/1begTMCUuoTjWSQyRO2RIjhqy1QQyhbwfV8w5dvczrGwuY9NdOOS9OD
A2OCPp9M1Go9jIBHfPg/GZAeyGOVBfCdmfXKK0KnrRPKdzXq7AVdPJ5xYj6sn6SO
LCROXXi51lkZdiTHrALmSFgw/00LMSusaA3oSG6i6wKBgQD36NeEuwjj/ddUNVZ9
LvRPL4c/EJ1aXUiGIgvlFy8X+hcn0OaHoNl5UxlT6AmPrDS4PdeUFoVsH1gftLQe
sNR7lHJ+GlvGgNn/n7m/UG0Pe3dUTS3F3Kk5F0kVcjXYtE5NdTGqBuQ0z1uLZZ7R
qNI4wB86azQeainHM5Gfym9rfwKBgQDFf/PKPlBH5cgh43AzS7ndqERWCdga3d4w
l/LU7fvrk24iGqaD9P9XmPctfsgL6oJrkxUo6M+cO8O9+1SbxB6Z2m3/BdsUYB18
skO+tKl2V8JfznPOcBQ5HEKBtktb+OhGf6IUqOPhnyTLPJWT4Z11dnNwlBnQaGPe
HBcw7Vz91wKBgQDM2Mhk88t34MNx4JTz4b2cRPCjas4q4hPQSge8J/kQ/eTuUI58
mau5tbGjBIQKBMiXSPp+clGTMx81K7L9/S3GY7ZrfspA7y2zLL9mV0WW2nWS4icl
bJ0kAJqyLupRg0OEe4crMICXJpRFThX6tl3m6NGlCvpI+35EDNeSyspgbwKBgQCT
HbbJ5hUDGYU0ySig7T2sgVU2CesySCbkZ6t5NTU8y/tz6Ao1rWAvLkChYRk+1xcD
bvKKILHVnSc382mZBkQNMwpQt1n0GYydgGS6P/UjtEeT+kOFeTN3PzfDS7li70yG
hziCzzPAsz1DLwP0vlD+WJexOoDoH3qUzrPvvEBSzQKBgQC4VkEhJbgnI5KaLMUc
kckfc4PPnWALWFDJMLIFfn8zEjxbDv7Vcg7xn35F1zzpxYOFNHXWWtJIqEpkQtZ/
4u9Po4l5LNz69e5pvU6Dh37VLpn8OvUdK+b2kGU3LeUs0lhn8XMDwXH00P7PMgey
s4NA5LBYOFvwQubtZ6WCNgue0w==
-----END PRIVATE KEY-----
";

/// The same in PKCS#1.
pub(super) const RSA_PRIVATE_PKCS1: &str = "\
-----BEGIN RSA PRIVATE KEY-----
MIIEpQIBAAKCAQEAv0IWce1rz7YOs2a/89o1tvwgrgookl9E5tBDWV7LuogZmX6s
/8R/RlOZ6y8S5VgLsH6s6e0sAFSldj+whH90r/cQEs9SmXEOx1LlI7sqQm1csTCH
BXGpEb0xDJYH2sO9jQIQWpFHftYvQeG3sZmlvxznUeWvyniBQ6mIgQZcpH0rG1CJ
9QCLY6hLnkEeD+nVQRK681LELLV6dFaUgxRWLFii2WOL2DeyE4g6Lzz3pMDLFKIE
ehTg4/9+Ewq0ZFOvlNA/1aPXA8ZCEa+WjpKEP/Y3tCcMOuT6PhUqVcC4pZYWLmuM
QqccoKL1s+gYMpPNUX1c5G6eXfhigK+iVXPKqQIDAQABAoIBAEN5HLL/mA/UwhXv
c1ujiVyvURYlNlABNS0anw/53fTGDAX3RzAKUf5tAvmSB2AKskEHR5hVWDcbpa30
ZSExV+i2SCDirFi+poCSUY1L++ooa9GE9bVpdkRwUswGZ+n5MTd8WWmiJC9uf4iG
CYip1Gv6Ve8yEVTkM3I77pDaPje25anbz8W1M/9W3oEzAlLqE41kkMkTtkSI4ast
UEMoW8H1fMOXb3M6xsLmPTXTjkvTgwNjgj6fTNRqPYyAR3z4PxmQHshjlQXwnZn1
yitCp60Tync16uwFXTyecWI+rJ+kjiwkTl14udZZGXYkx6wC5khYMP9NCzErrGgN
6EhuousCgYEA9+jXhLsI4/3XVDVWfS70Ty+HPxCdWl1IhiIL5RcvF/oXJ9Dmh6DZ
eVMZU+gJj6w0uD3XlBaFbB9YH7S0HrDUe5RyfhpbxoDZ/5+5v1BtD3t3VE0txdyp
ORdJFXI12LROTXUxqgbkNM9bi2We0ajSOMAfOms0HmopxzORn8pva38CgYEAxX/z
yj5QR+XIIeNwM0u53ahEVgnYGt3eMJfy1O3765NuIhqmg/T/V5j3LX7IC+qCa5MV
KOjPnDvDvftUm8Qemdpt/wXbFGAdfLJDvrSpdlfCX85zznAUORxCgbZLW/joRn+i
FKjj4Z8kyzyVk+GddXZzcJQZ0Ghj3hwXMO1c/dcCgYEAzNjIZPPLd+DDceCU8+G9
nETwo2rOKuIT0EoHvCf5EP3k7lCOfJmrubWxowSECgTIl0j6fnJRkzMfNSuy/f0t
xmO2a37KQO8tsyy/ZldFltp1kuInJWydJACasi7qUYNDhHuHKzCAlyaURU4V+rZd
5ujRpQr6SPt+RAzXksrKYG8CgYEAkx22yeYVAxmFNMkooO09rIFVNgnrMkgm5Ger
eTU1PMv7c+gKNa1gLy5AoWEZPtcXA27yiiCx1Z0nN/NpmQZEDTMKULdZ9BmMnYBk
uj/1I7RHk/pDhXkzdz83w0u5Yu9Mhoc4gs8zwLM9Qy8D9L5Q/liXsTqA6B96lM6z
77xAUs0CgYEAuFZBISW4JyOSmizFHJHJH3ODz51gC1hQyTCyBX5/MxI8Ww7+1XIO
8Z9+Rdc86cWDhTR11lrSSKhKZELWf+LvT6OJeSzc+vXuab1Og4d+1S6Z/Dr1HSvm
9pBlNy3lLNJYZ/FzA8Fx9ND+zzIHsrODQOSwWDhb8ELm7WelgjYLntM=
-----END RSA PRIVATE KEY-----
";

/// Its public half.
pub(super) const RSA_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAv0IWce1rz7YOs2a/89o1
tvwgrgookl9E5tBDWV7LuogZmX6s/8R/RlOZ6y8S5VgLsH6s6e0sAFSldj+whH90
r/cQEs9SmXEOx1LlI7sqQm1csTCHBXGpEb0xDJYH2sO9jQIQWpFHftYvQeG3sZml
vxznUeWvyniBQ6mIgQZcpH0rG1CJ9QCLY6hLnkEeD+nVQRK681LELLV6dFaUgxRW
LFii2WOL2DeyE4g6Lzz3pMDLFKIEehTg4/9+Ewq0ZFOvlNA/1aPXA8ZCEa+WjpKE
P/Y3tCcMOuT6PhUqVcC4pZYWLmuMQqccoKL1s+gYMpPNUX1c5G6eXfhigK+iVXPK
qQIDAQAB
-----END PUBLIC KEY-----
";

/// Its public half in PKCS#1.
pub(super) const RSA_PUBLIC_PKCS1: &str = "\
-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAv0IWce1rz7YOs2a/89o1tvwgrgookl9E5tBDWV7LuogZmX6s/8R/
RlOZ6y8S5VgLsH6s6e0sAFSldj+whH90r/cQEs9SmXEOx1LlI7sqQm1csTCHBXGp
Eb0xDJYH2sO9jQIQWpFHftYvQeG3sZmlvxznUeWvyniBQ6mIgQZcpH0rG1CJ9QCL
Y6hLnkEeD+nVQRK681LELLV6dFaUgxRWLFii2WOL2DeyE4g6Lzz3pMDLFKIEehTg
4/9+Ewq0ZFOvlNA/1aPXA8ZCEa+WjpKEP/Y3tCcMOuT6PhUqVcC4pZYWLmuMQqcc
oKL1s+gYMpPNUX1c5G6eXfhigK+iVXPKqQIDAQAB
-----END RSA PUBLIC KEY-----
";

/// P-256, PKCS#8.
pub(super) const EC_PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgtyAj9NtSZceg5cVc
tBcdBoJQrQkcIlJUzgo47yKS7WKhRANCAASqhdqxUo3TCPylY5IjU+z4yhL7VT0Q
HOHs8hQMLRCUJftp6euV9yh9AsFL8OTEL1wxaNvVplj1q4nlGLJC+5ik
-----END PRIVATE KEY-----
";

/// Its public half.
pub(super) const EC_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqoXasVKN0wj8pWOSI1Ps+MoS+1U9
EBzh7PIUDC0QlCX7aenrlfcofQLBS/DkxC9cMWjb1aZY9auJ5RiyQvuYpA==
-----END PUBLIC KEY-----
";

/// The same in SEC 1.
pub(super) const EC_PRIVATE_SEC1: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEILcgI/TbUmXHoOXFXLQXHQaCUK0JHCJSVM4KOO8iku1ioAoGCCqGSM49
AwEHoUQDQgAEqoXasVKN0wj8pWOSI1Ps+MoS+1U9EBzh7PIUDC0QlCX7aenrlfco
fQLBS/DkxC9cMWjb1aZY9auJ5RiyQvuYpA==
-----END EC PRIVATE KEY-----
";

/// A certificate of it.
pub(super) const EC_CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBbjCCAROgAwIBAgIUeiSXKtEoQwiWmmm2Nr/ClM1tn/EwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBdDAeFw0yNjExMjExMTEwMTFaFw0yNjExMjIxMTEwMTFaMAwx
CjAIBgNVBAMMAXQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASqhdqxUo3TCPyl
Y5IjU+z4yhL7VT0QHOHs8hQMLRCUJftp6euV9yh9AsFL8OTEL1wxaNvVplj1q4nl
GLJC+5iko1MwUTAdBgNVHQ4EFgQU4jAlBqNbvQofjUec0XES/mwdoiIwHwYDVR0j
BBgwFoAU4jAlBqNbvQofjUec0XES/mwdoiIwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNJADBGAiEAk+ivWM7WCbDsCGUkqlkzakWx6NWyn7yDZGZoiD202+MC
IQDS+fzVTnZ1lK3vzX4SafD/xSsy1E012oB8Pj9TxhTsMA==
-----END CERTIFICATE-----
";

/// Ed25519, PKCS#8.
pub(crate) const ED_PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIHb68ApAS9kI6KanOs9weXgPWNgn0VI0yptPgniNtr46
-----END PRIVATE KEY-----
";

/// Its public half.
pub(super) const ED_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAU8bL4f3kUQQlLtVqidEBu+DdzgBXDop5R9Q+xvHoLj0=
-----END PUBLIC KEY-----
";

/// P-384, PKCS#8.
pub(super) const P384_PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDARaWVu33VK4IwgYxmK
rhiHPPbTg1DZZ6Uy5HCdl1vNdRoexR7c74fgX/n4FFFYqq+hZANiAARmOOnEMob6
yQCbAZ5nG2cIHuTClrCc/Qsws34eGH42oVKsepwXffJ/3VjGuiqdNOyBLKwhAiow
y7gFjBFx2j+1kabzzEOht7WEjUsri+AigT0pozxm+TRtEJ1SvvOGFTg=
-----END PRIVATE KEY-----
";

/// Its public half.
pub(super) const P384_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEZjjpxDKG+skAmwGeZxtnCB7kwpawnP0L
MLN+Hhh+NqFSrHqcF33yf91YxroqnTTsgSysIQIqMMu4BYwRcdo/tZGm88xDobe1
hI1LK4vgIoE9KaM8Zvk0bRCdUr7zhhU4
-----END PUBLIC KEY-----
";

/// P-521, not served.
pub(super) const P521_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBgLzc6FCyLuU/6R20p9QIdct8RLqF
VcWBVhWNKVmxoj1/Kji53P8thvKjnRe32lNlh7EBZivnmW6wu2+k9uQyNNUAiJZr
iY53gIPIVdALCX+H68rxSW2DsPbteogj8R3DcsLnT+RHKaUeQnNpJfMR2KpP4jYk
s4fTVPW5d6RSw0lX5ys=
-----END PUBLIC KEY-----
";

/// Ed448, not served.
pub(super) const ED448_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MEMwBQYDK2VxAzoA9ul0HJfLOPcLa16f1ZFcv0KzzE5LCTYCl/GpFxv9quQue0h0
UWThBI0iqbsibkqMRACAkMoIiVSA
-----END PUBLIC KEY-----
";

/// RSA, 1024 bits.
pub(super) const RSA_1024_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDBi02oVE+GQxFrT2SOOSDP0CmZ
BrjchJb34YnsnuJTVDSsYlY1+7P2EG36fCE/tl0Y8rOEj5aCtMEQsxSGJwx4uIgC
aUQUG/Iq7nxOHM5h/t7Fq06usF82HXI4cNq2SPxgU1Vrvnj1stW2hGFstm/kH2Ix
6iSPlS7+8CsKUrDX0wIDAQAB
-----END PUBLIC KEY-----
";

/// An event of that name, `Audience { client, backend: !client }`.
pub(super) fn event(name: &str, client: bool) -> Event {
    Event {
        name: name.to_owned(),
        lower: name.to_ascii_lowercase(),
        family: 0,
        summary: String::new(),
        description: None,
        note: None,
        kind: Kind::State,
        entity: EntityRule::Publisher,
        audience: Audience { client, backend: !client },
        since: "1.0.0".to_owned(),
        deprecated: None,
        correlation: Vec::new(),
        expires: None,
        interval_s: None,
        on_change: false,
        key: None,
        call: None,
        derive: None,
        organization: None,
        properties: Vec::new(),
        examples: Vec::new(),
        place: Place::default(),
    }
}

/// A principal that may nothing.
pub(crate) fn nobody() -> Principal {
    Principal {
        user: None,
        organization: None,
        publisher: None,
        may_publish: false,
        is_admin: false,
        is_backend: false,
        grants: std::sync::Arc::default(),
        foreign_grants: 0,
        expires_unix_s: 0,
        marks: crate::auth::marks::Marks::default(),
    }
}
