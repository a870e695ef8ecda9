#Requires -RunAsAdministrator
<# What our file servers get,
   agreed in spring. #>
Set-SmbServerConfiguration -RequireSecuritySignature $true -EnableSecuritySignature:$True -Smb2DialectMin SMB302 `
    -InvalidAuthenticationDelayTimeInMs 2000 -AutoDisconnectTimeout 15 -Force  # no questions
set-smbclientconfiguration -RequireSecuritySignature 1 -EnableInsecureGuestLogons $false -Confirm:$false

if (-not (Test-Path -LiteralPath 'HKLM:\SOFTWARE\Policies\Contoso''s')) { New-Item -Path 'HKLM:\SOFTWARE\Policies\Contoso''s' -Force | Out-Null }
Set-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Policies\Contoso''s' -Name 'Hosts' -Value @('nas1','nas2') -Type MultiString; Set-ItemProperty -Path "HKLM:\SOFTWARE\Policies\Contoso" -Name Level -Value 0x7 -Type DWord
Remove-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\LanmanWorkstation' -Name 'AllowInsecureGuestAuth' -Force -ErrorAction SilentlyContinue
