// The types of the package Novell.Directory.Ldap.NETStandard that the suites' Auth tests use, on top of .NET's own LDAP
// client. The package is not needed to build the suites then. .NET looks for libldap.so.2: see README.md.
using System.Collections;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Text;
using Protocols = System.DirectoryServices.Protocols;

namespace Novell.Directory.Ldap;

public sealed class LdapAttribute(string name, byte[][] values)
{
    public string Name => name;
    public byte[] ByteValue => values[0];
    public byte[][] ByteValueArray => values;
    public string StringValue => Encoding.UTF8.GetString(values[0]);
    public string[] StringValueArray => [.. values.Select(Encoding.UTF8.GetString)];
}

public sealed class LdapAttributeSet(IReadOnlyCollection<LdapAttribute> attributes) : IEnumerable
{
    public IEnumerator GetEnumerator() => attributes.GetEnumerator();

    // Names of attributes are compared without regard to case (RFC 4512 2.5).
    public LdapAttribute GetAttribute(string name) =>
        attributes.FirstOrDefault(attribute => attribute.Name.Equals(name, System.StringComparison.OrdinalIgnoreCase));
}

public sealed class LdapEntry(string name, LdapAttributeSet attributes)
{
    public string Dn => name;
    public LdapAttributeSet GetAttributeSet() => attributes;
    public LdapAttribute GetAttribute(string attribute) =>
        attributes.GetAttribute(attribute) ?? throw new KeyNotFoundException($"{name} has no attribute {attribute}");
}

public class LdapMessage;

public sealed class LdapSearchResult(LdapEntry entry) : LdapMessage
{
    public LdapEntry Entry => entry;
}

public interface ILdapSearchResults
{
    bool HasMore();
    LdapEntry Next();
}

public sealed class LdapSearchConstraints;

// One queue serves both kinds of search: the suites read the first by Next, and the second by GetResponse until null.
public sealed class LdapSearchQueue(IEnumerable<LdapEntry> entries) : ILdapSearchResults
{
    private readonly Queue<LdapEntry> rest = new(entries);

    public bool HasMore() => rest.Count > 0;
    public LdapEntry Next() => rest.Dequeue();
    public LdapMessage GetResponse() => rest.TryDequeue(out var entry) ? new LdapSearchResult(entry) : null;
}

public sealed class LdapConnection : System.IDisposable
{
    public const int ScopeSub = (int)Protocols.SearchScope.Subtree;

    private Protocols.LdapDirectoryIdentifier directory;
    private Protocols.LdapConnection bound;

    public void Connect(string host, int port) => directory = new(host, port);

    public void Bind(string user, string password)
    {
        bound = new(directory, new NetworkCredential(user, password), Protocols.AuthType.Basic);
        bound.SessionOptions.ProtocolVersion = 3;
        // A controller refers to its other partitions, whose names cannot be resolved here.
        bound.SessionOptions.ReferralChasing = Protocols.ReferralChasingOptions.None;
        bound.Bind();
    }

    public ILdapSearchResults Search(string from, int scope, string filter, string[] attributes, bool typesOnly) =>
        Search(from, scope, filter, attributes, typesOnly, null, null);

    public LdapSearchQueue Search(
        string from, int scope, string filter, string[] attributes, bool typesOnly,
        LdapSearchQueue queue, LdapSearchConstraints constraints)
    {
        var request = new Protocols.SearchRequest(from, filter, (Protocols.SearchScope)scope, attributes)
        {
            TypesOnly = typesOnly
        };
        var response = (Protocols.SearchResponse)bound.SendRequest(request);
        return new LdapSearchQueue(response.Entries.Cast<Protocols.SearchResultEntry>().Select(ToEntry));
    }

    public void Disconnect() => Dispose();

    public void Dispose()
    {
        bound?.Dispose();
        bound = null;
    }

    private static LdapEntry ToEntry(Protocols.SearchResultEntry entry) =>
        new(entry.DistinguishedName, new LdapAttributeSet([
            .. entry.Attributes.Values.Cast<Protocols.DirectoryAttribute>().Select(attribute =>
                new LdapAttribute(attribute.Name, [.. attribute.GetValues(typeof(byte[])).Cast<byte[]>()]))
        ]));
}
