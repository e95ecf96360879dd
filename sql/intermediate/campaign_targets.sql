-- Whom a campaign was meant for: its members, or, for a campaign that keeps
-- no list, those whom it contacted.
with memberships as (
    select * from intermediate.memberships
),

contacts as (
    select * from intermediate.campaign_contacts
),

members as (
    select
        coalesce(memberships.campaign_id, '(none)') as campaign_id,
        memberships.customer_id,
        case
            when memberships.arm = 'control' then 'control' else 'treatment'
        end as arm,
        memberships.assigned_on,
        contacts.customer_id is not null as is_contacted,
        contacts.answer
    from memberships
    left join contacts
        on
            memberships.campaign_id = contacts.campaign_id
            and memberships.customer_id = contacts.customer_id
),

listed as (
    select campaign_id
    from memberships
    where campaign_id is not null
    group by campaign_id
),

contacted as (
    select
        contacts.campaign_id,
        contacts.customer_id,
        'treatment' as arm,
        contacts.first_contact_on as assigned_on,
        true as is_contacted,
        contacts.answer
    from contacts
    left join listed on contacts.campaign_id = listed.campaign_id
    where listed.campaign_id is null
),

final as (
    select * from members
    union all
    select * from contacted
)

select * from final
